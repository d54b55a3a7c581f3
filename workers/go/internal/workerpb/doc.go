// Package workerpb is the contract with laneway's hosts, made from proto/laneway/worker/v1 and never edited. It is checked
// in because a Go module is fetched as its repository stands: nothing could make it between there and the user's build.
package workerpb

//go:generate ../../../../node_modules/.bin/buf generate --template ../../buf.gen.yaml --output ../.. ../../../../proto
