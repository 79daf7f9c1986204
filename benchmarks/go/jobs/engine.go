package main

import (
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the protocol's messages.
const (
	jobKey, jobType, jobDeadline = 1, 2, 12
	responseJobs                 = 1
)

const lock = 10 * time.Minute // that a job is said to be locked; nothing is given out twice here

// job is one job of a run; times are zero until it happens.
type job struct {
	run            *run
	kind           *kind
	created, begun time.Time
	done           time.Time
}

// stream is a worker's open call for jobs of a type.
type stream struct {
	pushed []int64
	wake   chan struct{} // has something when jobs were pushed
}

// kind is what waits of one type.
type kind struct {
	waiting []int64
	streams []*stream
	next    int           // whose turn it is among the streams
	wake    chan struct{} // closed, and replaced, when jobs come to wait
}

// run is a number of jobs that are created together and measured together.
type run struct {
	jobs  []*job
	left  int
	again int           // how often a job was given back
	end   chan struct{} // closed when all are done
}

// engine gives out jobs and takes their ends. Its jobs have no process.
type engine struct {
	mutex    sync.Mutex
	template []byte // of a job's message, without key, type and deadline
	kinds    map[string]*kind
	jobs     map[int64]*job
	key      int64
}

func newEngine(template []byte) *engine {
	return &engine{template: template, kinds: map[string]*kind{}, jobs: map[int64]*job{}, key: 1 << 51}
}

// of returns the kind of a type; the engine is locked.
func (e *engine) of(name string) *kind {
	found := e.kinds[name]
	if found == nil {
		found = &kind{wake: make(chan struct{})}
		e.kinds[name] = found
	}
	return found
}

// create makes a job, which can be given out at once.
func (e *engine) create(name string, r *run) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.key++
	made := &job{run: r, kind: e.of(name), created: time.Now()}
	r.jobs, e.jobs[e.key] = append(r.jobs, made), made
	made.kind.offer(e.key)
}

// offer gives a job to a stream where there is one, and has it wait otherwise.
func (k *kind) offer(key int64) {
	if len(k.streams) == 0 {
		k.wait(key)
		return
	}
	k.next++
	to := k.streams[k.next%len(k.streams)]
	to.pushed = append(to.pushed, key)
	select {
	case to.wake <- struct{}{}:
	default:
	}
}

// wait has jobs wait for polls.
func (k *kind) wait(keys ...int64) {
	if len(keys) > 0 {
		k.waiting = append(k.waiting, keys...)
		close(k.wake)
		k.wake = make(chan struct{})
	}
}

// take gives out so many waiting jobs at most; without any, the channel tells when there may be some.
func (e *engine) take(name string, count int) ([]int64, <-chan struct{}) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	k := e.of(name)
	number := min(count, len(k.waiting))
	keys := k.waiting[:number:number]
	k.waiting = k.waiting[number:]
	return keys, k.wake
}

// open begins a stream: it gets the jobs that are created from now on, and no backlog.
func (e *engine) open(name string) *stream {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	opened, k := &stream{wake: make(chan struct{}, 1)}, e.of(name)
	k.streams = append(k.streams, opened)
	return opened
}

// next returns a job of a stream, and whether there was one.
func (e *engine) next(from *stream) (int64, bool) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if len(from.pushed) == 0 {
		return 0, false
	}
	key := from.pushed[0]
	from.pushed = from.pushed[1:]
	return key, true
}

// close ends a stream; what it did not bring waits.
func (e *engine) close(name string, closed *stream) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	k := e.of(name)
	for place, each := range k.streams {
		if each == closed {
			k.streams = append(k.streams[:place:place], k.streams[place+1:]...)
			break
		}
	}
	k.wait(closed.pushed...)
}

// complete ends a job, and reports whether there was one; begun is when its worker began, as the worker says.
func (e *engine) complete(key int64, begun time.Time) bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	found := e.jobs[key]
	if found == nil {
		return false
	}
	delete(e.jobs, key)
	found.begun, found.done = begun, time.Now()
	if found.run.left--; found.run.left == 0 {
		close(found.run.end)
	}
	return true
}

// again takes a job back, which is given out again at once, and reports whether there was one.
func (e *engine) again(key int64) bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	found := e.jobs[key]
	if found == nil {
		return false
	}
	found.run.again++
	found.kind.offer(key)
	return true
}

// message is a job on the wire.
func (e *engine) message(name string, key int64) []byte {
	text := append(make([]byte, 0, len(e.template)+len(name)+40), e.template...)
	text = protowire.AppendVarint(protowire.AppendTag(text, jobKey, protowire.VarintType), uint64(key))
	text = protowire.AppendString(protowire.AppendTag(text, jobType, protowire.BytesType), name)
	deadline := time.Now().Add(lock).UnixMilli()
	return protowire.AppendVarint(protowire.AppendTag(text, jobDeadline, protowire.VarintType), uint64(deadline))
}

// response is some jobs as the answer to a poll.
func (e *engine) response(name string, keys []int64) []byte {
	var text []byte
	for _, key := range keys {
		text = protowire.AppendTag(text, responseJobs, protowire.BytesType)
		text = protowire.AppendBytes(text, e.message(name, key))
	}
	return text
}
