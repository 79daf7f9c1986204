// A gateway that has nothing but jobs: it gives them out to polls and streams, takes their ends, and measures both.
//
//	jobs -listen 127.0.0.1:26500 -job 0a016b -topology 0a016b
//
// The bytes, in hexadecimal, are a job without key, type and deadline, and the answer to Topology. A call of
// /benchmark/Jobs, whose request is {"type": "work", "count": 1000, "rate": 100} (a rate of 0: all at once), answers
// when that many new jobs are done, with the figures. Workers say in the variable "begun" when they began, in
// nanoseconds since 1970.
package main

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"benchmarks/raw"
)

const (
	service     = "/gateway_protocol.Gateway/"
	waitForJobs = 10 * time.Second // of a poll that does not say how long it waits
	maxRun      = 60 * time.Second // for all jobs of a run, after the last one was created
)

type gateway struct {
	engine   *engine
	topology []byte
}

func (g *gateway) call(_ any, call grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(call)
	var request []byte
	if err := call.RecvMsg(&request); err != nil {
		return err
	}
	switch method {
	case service + "ActivateJobs":
		return g.activate(request, call)
	case service + "StreamActivatedJobs":
		return g.push(request, call)
	case service + "CompleteJob":
		return g.complete(request, call)
	case service + "FailJob":
		return g.fail(request, call)
	case service + "Topology":
		return call.SendMsg(g.topology)
	case "/benchmark/Jobs":
		return g.measure(request, call)
	}
	return status.Errorf(codes.Unimplemented, "there is no %s here", method)
}

// fields reads the numbers and texts of a message; of repeated ones the last.
func fields(message []byte) (numbers map[protowire.Number]int64, texts map[protowire.Number][]byte) {
	numbers, texts = map[protowire.Number]int64{}, map[protowire.Number][]byte{}
	for len(message) > 0 {
		field, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return
		}
		message = message[size:]
		switch kind {
		case protowire.VarintType:
			value, read := protowire.ConsumeVarint(message)
			numbers[field], size = int64(value), read
		case protowire.BytesType:
			value, read := protowire.ConsumeBytes(message)
			texts[field], size = value, read
		default:
			size = protowire.ConsumeFieldValue(field, kind, message)
		}
		if size < 0 {
			return
		}
		message = message[size:]
	}
	return
}

// activate answers a poll: with jobs, or with nothing after the time that it wants to wait.
func (g *gateway) activate(request []byte, call grpc.ServerStream) error {
	numbers, texts := fields(request)
	name, wait := string(texts[1]), waitForJobs
	if numbers[6] != 0 {
		wait = max(0, time.Duration(numbers[6])*time.Millisecond)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		keys, wake := g.engine.take(name, int(numbers[4]))
		if len(keys) > 0 {
			return call.SendMsg(g.engine.response(name, keys))
		}
		select {
		case <-wake:
		case <-timer.C:
			return nil
		case <-call.Context().Done():
			return nil
		}
	}
}

// push brings jobs for as long as the worker listens.
func (g *gateway) push(request []byte, call grpc.ServerStream) error {
	_, texts := fields(request)
	name := string(texts[1])
	opened := g.engine.open(name)
	defer g.engine.close(name, opened)
	for {
		for {
			key, found := g.engine.next(opened)
			if !found {
				break
			}
			if err := call.SendMsg(g.engine.message(name, key)); err != nil {
				return err
			}
		}
		select {
		case <-opened.wake:
		case <-call.Context().Done():
			return nil
		}
	}
}

func (g *gateway) complete(request []byte, call grpc.ServerStream) error {
	numbers, texts := fields(request)
	var variables struct{ Begun int64 }
	if err := json.Unmarshal(texts[2], &variables); err != nil || variables.Begun == 0 {
		return status.Errorf(codes.InvalidArgument, "variables: %q; accepted: the variable begun", texts[2])
	}
	return answer(numbers[1], g.engine.complete(numbers[1], time.Unix(0, variables.Begun)), call)
}

// fail takes a job back, whatever retries it has left.
func (g *gateway) fail(request []byte, call grpc.ServerStream) error {
	numbers, _ := fields(request)
	return answer(numbers[1], g.engine.again(numbers[1]), call)
}

func answer(key int64, found bool, call grpc.ServerStream) error {
	if !found {
		return status.Errorf(codes.NotFound, "Command rejected with code 'NOT_FOUND': no job %d", key)
	}
	return call.SendMsg([]byte{})
}

type order struct {
	Type  string
	Count int
	Rate  float64
}

// measure creates jobs and answers with what became of them.
func (g *gateway) measure(request []byte, call grpc.ServerStream) error {
	var wanted order
	if err := json.Unmarshal(request, &wanted); err != nil || wanted.Count <= 0 {
		return status.Errorf(codes.InvalidArgument, "%q is no order", request)
	}
	made := &run{left: wanted.Count, end: make(chan struct{})}
	began := time.Now()
	for number := range wanted.Count {
		if wanted.Rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(number) / wanted.Rate * float64(time.Second)))))
		}
		g.engine.create(wanted.Type, made)
	}
	select {
	case <-made.end:
	case <-time.After(maxRun):
		return status.Errorf(codes.DeadlineExceeded, "of %d jobs some were not done after %s", wanted.Count, maxRun)
	case <-call.Context().Done():
		return nil
	}
	text, err := json.Marshal(made.figures(began))
	if err != nil {
		return err
	}
	return call.SendMsg(text)
}

// figures are jobs per second, and milliseconds from a job's creation to two moments.
func (r *run) figures(began time.Time) map[string]float64 {
	var begun, done []float64
	end := began
	for _, each := range r.jobs {
		begun = append(begun, float64(each.begun.Sub(each.created))/float64(time.Millisecond))
		done = append(done, float64(each.done.Sub(each.created))/float64(time.Millisecond))
		if each.done.After(end) {
			end = each.done
		}
	}
	return map[string]float64{
		"count":     float64(len(r.jobs)),
		"again":     float64(r.again),
		"rate":      float64(len(r.jobs)) / end.Sub(began).Seconds(),
		"begun p50": percentile(begun, 50), "begun p99": percentile(begun, 99),
		"done p50": percentile(done, 50), "done p99": percentile(done, 99),
	}
}

// percentile is the smallest that so many percent do not exceed.
func percentile(values []float64, percent float64) float64 {
	slices.Sort(values)
	return values[max(0, int(math.Ceil(percent/100*float64(len(values))))-1)]
}

func main() {
	runtime.GOMAXPROCS(1) // a second processor would be spent on waking up
	debug.SetGCPercent(400)
	listen := flag.String("listen", "127.0.0.1:0", "address")
	job := flag.String("job", "", "a job without key, type and deadline, in hexadecimal")
	topology := flag.String("topology", "", "the answer to Topology, in hexadecimal")
	flag.Parse()
	template, err := hex.DecodeString(*job)
	if err != nil {
		log.Fatal(err)
	}
	known, err := hex.DecodeString(*topology)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(raw.Codec{}),
		grpc.UnknownServiceHandler((&gateway{newEngine(template), known}).call),
	)
	fmt.Println("listening on", listener.Addr())
	log.Fatal(server.Serve(listener))
}
