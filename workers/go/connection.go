// How a host is dialled: secrecy, the token, and what is refused because it would be readable on the way.

package worker

import (
	"context"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// maxFrameBytes bounds what one frame of the host may hold: many messages, or one large one.
const maxFrameBytes = 256 << 20

func isUnixSocket(address string) bool {
	return strings.HasPrefix(address, "unix:") || strings.HasPrefix(address, "unix-abstract:")
}

// isPrivate tells whether plaintext to the address stays on this machine.
func isPrivate(address string) bool {
	if isUnixSocket(address) {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// dial prepares a connection; whether the host answers shows with the first call.
func dial(o Options) (*grpc.ClientConn, error) {
	secrecy := insecure.NewCredentials()
	if o.TLS != nil {
		secrecy = credentials.NewTLS(o.TLS)
	}
	return grpc.NewClient(o.Address,
		grpc.WithTransportCredentials(secrecy),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxFrameBytes)),
		grpc.WithUserAgent(sdk),
	)
}

// authorized adds the token of this connection.
func authorized(ctx context.Context, o Options) (context.Context, error) {
	token, err := o.TokenSource(ctx)
	if err != nil || token == "" {
		return ctx, err
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), nil
}
