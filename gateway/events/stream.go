package events

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// wanted is what the outbox wants of a stream.
type wanted struct {
	name, description, subjects string
	bytesMax                    int64
	duplicates                  time.Duration
	persist                     jetstream.PersistModeType
}

func (o *Outbox) wanted() [2]wanted {
	events := wanted{
		name: Stream, description: "Every movement of stock, in order.", subjects: SubjectPrefix + ">",
		bytesMax: o.c.EventBytesMax, duplicates: EventDuplicates,
	}
	if o.c.Embedded {
		events.persist = jetstream.AsyncPersistMode
	}
	return [2]wanted{events, {
		name: AlertStream, description: "Movements of stock that people act on.", subjects: AlertPrefix + ">",
		bytesMax: o.c.AlertBytesMax, duplicates: AlertDuplicates,
	}}
}

// ensure makes the stream what the outbox wants, and leaves alone what it does not care about. It
// returns how far the stream is, as its leader says.
func (o *Outbox) ensure(ctx context.Context, js jetstream.JetStream, w wanted) (*jetstream.StreamInfo, error) {
	s, err := js.Stream(ctx, w.name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, o.stream(jetstream.StreamConfig{
			Name: w.name, Description: w.description, Storage: jetstream.FileStorage,
			Replicas: max(1, o.c.Replicas), PersistMode: w.persist, AllowDirect: true,
		}, w))
		if err == nil {
			o.c.Logger.Info("stream made", "stream", w.name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", w.name, err)
	}
	info := s.CachedInfo()
	have := info.Config
	if want := o.stream(have, w); !sameLimits(&have, &want) {
		if s, err = js.UpdateStream(ctx, want); err != nil {
			return nil, fmt.Errorf("set up stream %s: %w", w.name, err)
		}
		info = s.CachedInfo()
	}
	return info, nil
}

// stream is a configuration with what the outbox cares about set.
func (o *Outbox) stream(c jetstream.StreamConfig, w wanted) jetstream.StreamConfig {
	if !slices.Contains(c.Subjects, w.subjects) {
		c.Subjects = append(slices.Clone(c.Subjects), w.subjects)
	}
	c.Retention, c.Discard, c.NoAck = jetstream.LimitsPolicy, jetstream.DiscardOld, false
	c.MaxAge, c.MaxBytes, c.MaxMsgs, c.MaxMsgsPerSubject = o.c.MaxAge, w.bytesMax, -1, -1
	c.Duplicates = min(w.duplicates, c.MaxAge)
	if o.c.Replicas != 0 {
		c.Replicas = o.c.Replicas
	}
	return c
}

func sameLimits(a, b *jetstream.StreamConfig) bool {
	return slices.Equal(a.Subjects, b.Subjects) && a.Retention == b.Retention && a.Discard == b.Discard &&
		a.NoAck == b.NoAck && a.MaxAge == b.MaxAge && a.MaxBytes == b.MaxBytes && a.MaxMsgs == b.MaxMsgs &&
		a.MaxMsgsPerSubject == b.MaxMsgsPerSubject && a.Duplicates == b.Duplicates && a.Replicas == b.Replicas
}

// stored is a message of the stream: where it is and whose.
type stored struct {
	sequence    uint64
	node, place string
}

// noMessageFound is JetStream's code for a message that is not there.
const noMessageFound = 10037

// ask fetches a message of STOCK_EVENTS from the stream's leader: the one with a sequence, or, for
// zero, the last. ok is false when there is none. Direct gets are faster, but any replica answers
// them, and one of five was seen to be behind what had been acknowledged.
func ask(ctx context.Context, nc *nats.Conn, sequence uint64) (m stored, ok bool, err error) {
	request := map[string]any{"last_by_subj": SubjectPrefix + ">"}
	if sequence != 0 {
		request = map[string]any{"seq": sequence}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return m, false, fmt.Errorf("ask for a message of %s: %w", Stream, err)
	}
	reply, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+Stream, body)
	if err != nil {
		return m, false, fmt.Errorf("ask for a message of %s: %w", Stream, err)
	}
	var answer struct {
		Error *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
		Message struct {
			Sequence uint64 `json:"seq"`
			Headers  string `json:"hdrs"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return m, false, fmt.Errorf("read a message of %s: %w", Stream, err)
	}
	if e := answer.Error; e != nil {
		if e.Code == noMessageFound {
			return m, false, nil
		}
		return m, false, fmt.Errorf("ask for a message of %s: %s (%d)", Stream, e.Description, e.Code)
	}
	m.sequence = answer.Message.Sequence
	if answer.Message.Headers != "" {
		h, err := headers(answer.Message.Headers)
		if err != nil {
			return m, false, fmt.Errorf("read the header of message %d of %s: %w", m.sequence, Stream, err)
		}
		m.node, m.place = h.Get(HeaderNode), h.Get(HeaderPlace)
	}
	return m, true, nil
}

// headers reads the header of a stored message.
func headers(encoded string) (nats.Header, error) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	return nats.DecodeHeadersMsg(raw)
}
