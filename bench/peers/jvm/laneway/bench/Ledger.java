package laneway.bench;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;

/**
 * The record of every start and every end of a handler, which the harness checks for loss, duplicates and order:
 * 16 bytes each, little-endian: u32 key number, u32 (sequence number << 1 | ended), u64 microseconds since the epoch.
 * The first two come from the message's value. One lock makes the order of the records that of the events.
 */
final class Ledger implements Closeable {
  private static final int BUFFER_BYTES = 64 * 1024;
  private static final int RECORD_BYTES = 16;

  private final FileChannel file;
  private final ByteBuffer buffer;

  Ledger(Path path, Task.Flush flush) throws IOException {
    file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
    buffer = ByteBuffer.allocateDirect(flush == Task.Flush.EACH ? RECORD_BYTES : BUFFER_BYTES);
    buffer.order(ByteOrder.LITTLE_ENDIAN);
  }

  void started(byte[] value) {
    write(value, 0);
  }

  void ended(byte[] value) {
    write(value, 1);
  }

  private void write(byte[] value, int ended) {
    int key = Message.key(value);
    int sequence = Message.sequence(value);
    synchronized (this) {
      var now = Instant.now();
      buffer.putInt(key).putInt(sequence << 1 | ended);
      buffer.putLong(now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000);
      if (!buffer.hasRemaining()) drain();
    }
  }

  private void drain() {
    buffer.flip();
    try {
      while (buffer.hasRemaining()) file.write(buffer);
    } catch (IOException failure) {
      throw new UncheckedIOException("the ledger could not be written", failure);
    }
    buffer.clear();
  }

  /** Writes what is buffered; records that come later are written by {@link #close}. */
  synchronized void flush() {
    drain();
  }

  @Override
  public synchronized void close() throws IOException {
    drain();
    file.close();
  }
}
