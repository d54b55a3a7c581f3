// A host on TLS that asks for a certificate, and a token for each connection.

package worker_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/laneway-dev/laneway/workers/go/internal/workerpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// selfSigned is a certificate for loopback, and the pool that trusts it and nothing else.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// onTLS has a host listen on loopback, and ask for a certificate of the pool.
func (h *host) onTLS(certificate tls.Certificate, pool *x509.CertPool) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{certificate},
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
	workerpb.RegisterWorkerServiceServer(server, h)
	go server.Serve(listener)
	h.t.Cleanup(server.Stop)
	h.address = listener.Addr().String()
}

func TestBothSidesShowTheirCertificates(t *testing.T) {
	certificate, pool := selfSigned(t)
	h := newHost(t)
	h.onTLS(certificate, pool)
	options := obeying(ok)
	options.TLS = &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certificate}}
	h.start(options)
	s := h.connected()
	s.give(time.Minute, 1)
	s.expect(1, completed)
}

func TestAHostThatCannotBeTrustedIsNotServed(t *testing.T) {
	certificate, pool := selfSigned(t)
	h := newHost(t)
	h.onTLS(certificate, pool)
	options := obeying(ok)
	options.TLS = &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{certificate}}
	options.GiveUpAfter = 200 * time.Millisecond
	_, wait := h.start(options)
	if err := wait(); err == nil {
		t.Error("it was served")
	}
	if len(h.streams) != 0 {
		t.Error("the worker has said hello")
	}
}

func TestEachConnectionAsksForAToken(t *testing.T) {
	h := newHost(t)
	options := obeying(ok)
	var asked atomic.Int32
	options.TokenSource = func(context.Context) (string, error) {
		if asked.Add(1) == 2 {
			return "", errors.New("the issuer is busy")
		}
		return fmt.Sprintf("token-%d", asked.Load()), nil
	}
	h.start(options)
	for _, want := range []string{"Bearer token-1", "Bearer token-3"} {
		s := h.connected()
		if got := s.metadata.Get("authorization"); len(got) != 1 || got[0] != want {
			t.Errorf("got %v, want %s", got, want)
		}
		s.close <- nil
	}
}
