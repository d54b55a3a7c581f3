"""The messages of the contract (laneway.worker.v1), generated when the package is built, and the paths of its services."""

WORK = "/laneway.worker.v1.WorkerService/Work"
CALL = "/laneway.worker.v1.FunctionService/Call"
VERSION = 1
OUTPUTS = "outputs"
"""A host's capability: settlements may bring outputs along."""
ANSWERED_HEARTBEATS = "answered-heartbeats"
"""A worker's capability: the host knows when it starts nothing more, and when what it has started has ended."""
