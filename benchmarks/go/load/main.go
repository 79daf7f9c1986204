// Publishes requests to a queue, so many at a time, and waits for every reply; prints what it saw as JSON.
//
//	load -url amqp://... -queue zeebe.commands -in-flight 32 -seconds 2 -body '{...}' -expect bpmnProcessId
//
// It ends with a message and status 1 when a reply is missing, comes twice or is not the expected one. One goroutine
// publishes and receives: nothing is shared, and a message costs little.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const silence = 20 * time.Second // after which the missing replies are given up

var percentiles = []float64{1, 10, 25, 50, 75, 90, 95, 99, 99.9, 100}

type load struct {
	url, queue, expect string
	body               []byte
	inFlight, count    int
	seconds            float64

	channel *amqp.Channel
	replies <-chan amqp.Delivery
	replyTo string
	user    string
	prefix  string
	sent    []time.Time // by the number of the request; zero once it is answered
	took    []float64   // milliseconds
	seen    int         // replies when the silence was looked at last
}

type report struct {
	Count   int                `json:"count"`
	Rate    float64            `json:"rate"`    // answers per second
	Latency map[string]float64 `json:"latency"` // milliseconds by percentile
	CPU     float64            `json:"cpu"`     // microseconds of this program per request
}

func (l *load) connect() error {
	address, err := amqp.ParseURI(l.url)
	if err != nil {
		return err
	}
	l.user = address.Username
	connection, err := amqp.Dial(l.url)
	if err != nil {
		return err
	}
	if l.channel, err = connection.Channel(); err != nil {
		return err
	}
	l.replyTo = "bench.replies." + l.prefix
	if _, err = l.channel.QueueDeclare(l.replyTo, false, true, true, false, nil); err != nil {
		return err
	}
	l.replies, err = l.channel.Consume(l.replyTo, "", true, true, false, false, nil)
	return err
}

func (l *load) publish() error {
	id := l.prefix + strconv.Itoa(len(l.sent))
	l.sent = append(l.sent, time.Now())
	return l.channel.PublishWithContext(context.Background(), "", l.queue, false, false, amqp.Publishing{
		ContentType:   "application/json",
		DeliveryMode:  amqp.Persistent,
		CorrelationId: id,
		MessageId:     id,
		UserId:        l.user,
		ReplyTo:       l.replyTo,
		Body:          l.body,
	})
}

func (l *load) receive(reply amqp.Delivery) error {
	text, ours := strings.CutPrefix(reply.CorrelationId, l.prefix)
	number, err := strconv.Atoi(text)
	if !ours || err != nil || number >= len(l.sent) {
		return fmt.Errorf("a reply to a request that was not sent: %q", reply.CorrelationId)
	}
	if l.sent[number].IsZero() {
		return fmt.Errorf("a second reply to request %d", number)
	}
	if !bytes.Contains(reply.Body, []byte(l.expect)) {
		return fmt.Errorf("a reply without %q: %.500s", l.expect, reply.Body)
	}
	l.took = append(l.took, float64(time.Since(l.sent[number]))/float64(time.Millisecond))
	l.sent[number] = time.Time{}
	return nil
}

// run keeps the requests in flight until the time is over or all are sent, and then waits for the last replies.
func (l *load) run() error {
	end := time.Now().Add(time.Duration(l.seconds * float64(time.Second)))
	more := func() bool { return len(l.sent) < l.count && time.Now().Before(end) }
	watch := time.NewTicker(silence)
	for {
		for len(l.sent)-len(l.took) < l.inFlight && more() {
			if err := l.publish(); err != nil {
				return err
			}
		}
		if len(l.sent) == len(l.took) {
			return nil
		}
		if err := l.wait(watch.C); err != nil {
			return err
		}
	}
}

func (l *load) wait(silent <-chan time.Time) error {
	select {
	case reply, open := <-l.replies:
		if !open {
			return fmt.Errorf("the broker closed the channel")
		}
		return l.receive(reply)
	case <-silent:
		if len(l.took) == l.seen {
			return fmt.Errorf("%d of %d requests have no reply", len(l.sent)-len(l.took), len(l.sent))
		}
		l.seen = len(l.took)
		return nil
	}
}

func (l *load) report(seconds, cpu float64) report {
	slices.Sort(l.took)
	latency := map[string]float64{}
	for _, each := range percentiles {
		place := int(math.Ceil(each/100*float64(len(l.took)))) - 1
		latency[strconv.FormatFloat(each, 'f', -1, 64)] = l.took[max(place, 0)]
	}
	count := float64(len(l.took))
	return report{len(l.took), count / seconds, latency, cpu / count * 1e6}
}

func cpu() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func main() {
	runtime.GOMAXPROCS(1) // a second processor would be spent on waking up
	debug.SetGCPercent(400)
	log.SetFlags(0)
	l := load{prefix: strconv.FormatUint(rand.Uint64(), 36) + "-"}
	flag.StringVar(&l.url, "url", "amqp://guest:guest@127.0.0.1:5672", "broker")
	flag.StringVar(&l.queue, "queue", "zeebe.commands", "queue of the requests")
	flag.StringVar(&l.expect, "expect", "", "what every reply contains")
	flag.IntVar(&l.inFlight, "in-flight", 32, "requests at a time")
	flag.IntVar(&l.count, "count", math.MaxInt, "requests, at most")
	flag.Float64Var(&l.seconds, "seconds", math.MaxInt32, "time for sending, at most")
	body := flag.String("body", "{}", "of every request")
	flag.Parse()
	l.body = []byte(*body)
	if err := l.connect(); err != nil {
		log.Fatal(err)
	}
	used, started := cpu(), time.Now()
	if err := l.run(); err != nil {
		log.Fatal(err)
	}
	if len(l.took) == 0 {
		log.Fatal("no request was sent")
	}
	found := l.report(time.Since(started).Seconds(), cpu()-used)
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}
