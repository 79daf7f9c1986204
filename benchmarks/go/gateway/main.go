// Answers gRPC calls with bytes that it was given, after a latency. It knows no protocol: a call costs it little.
//
//	gateway -listen 127.0.0.1:26500 /package.Service/Method=0a016b ...
//
// The bytes are in hexadecimal. Any other method is not implemented. A call of /benchmark/Latency sets the latency of
// those that come after it; its request is a duration in text, such as 5ms, its answer empty.
package main

import (
	"encoding/hex"
	"flag"
	"fmt"
	"log"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"benchmarks/raw"
)

type gateway struct {
	answers map[string][]byte
	latency atomic.Int64 // nanoseconds
}

func (g *gateway) call(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	if method == "/benchmark/Latency" {
		return g.setLatency(string(request), stream)
	}
	answer, known := g.answers[method]
	if !known {
		return status.Errorf(codes.Unimplemented, "no answer was given for %s", method)
	}
	if latency := time.Duration(g.latency.Load()); latency > 0 {
		time.Sleep(latency)
	}
	return stream.SendMsg(answer)
}

func (g *gateway) setLatency(text string, stream grpc.ServerStream) error {
	latency, err := time.ParseDuration(text)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	g.latency.Store(int64(latency))
	return stream.SendMsg([]byte{})
}

func parse(arguments []string) (map[string][]byte, error) {
	answers := map[string][]byte{}
	for _, argument := range arguments {
		method, text, found := strings.Cut(argument, "=")
		answer, err := hex.DecodeString(text)
		if !found || err != nil {
			return nil, fmt.Errorf("%q: accepted is /package.Service/Method=HEXADECIMAL", argument)
		}
		answers[method] = answer
	}
	return answers, nil
}

func main() {
	runtime.GOMAXPROCS(1) // a second processor would be spent on waking up
	debug.SetGCPercent(400)
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	answers, err := parse(flag.Args())
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(raw.Codec{}),
		grpc.UnknownServiceHandler((&gateway{answers: answers}).call),
	)
	fmt.Println("listening on", listener.Addr())
	log.Fatal(server.Serve(listener))
}
