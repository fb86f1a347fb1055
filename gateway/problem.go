package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway/access"
)

// ProblemKind is one row of the table that turns a refusal into what a client sees, at both doors.
type ProblemKind struct {
	// Code is the stable name: the member "code", and the error description on NATS.
	Code string
	// Status is the HTTP status, and the error code on NATS.
	Status int
	Title  string
	// Cause and Remedy are the page of the problem: what happened, and what to do.
	Cause, Remedy string
	// Retry says that the same request with the same key may do better a little later: the answer
	// has Retry-After.
	Retry bool
}

// ProblemPath is where the page of a kind is served; its URI reference is the type of a problem.
const ProblemPath = "/problems/"

// Slug is the last part of the type: the code in lower case, with dashes.
func (k *ProblemKind) Slug() string {
	return strings.ReplaceAll(strings.ToLower(k.Code), "_", "-")
}

// Type is the problem type, a URI reference that leads to the page of the kind.
func (k *ProblemKind) Type() string { return ProblemPath + k.Slug() }

// Problem is one refusal or failure, as both doors report it.
type Problem struct {
	Kind *ProblemKind
	// Field names what of the request is at fault, as clients spell it ("lines[2].quantity").
	Field string
	// Detail is a sentence for a person.
	Detail string
	Lines  []engine.RefusedLine
	// Current is what a failed compare-and-set met, when HasCurrent.
	Current    int64
	HasCurrent bool
	// Access is why access was refused, when it was.
	Access access.Reason
	// Cause is the error behind an internal problem: for the log, never for the client.
	Cause error
}

func (p *Problem) Error() string { return p.Kind.Code + ": " + p.Detail }

func (p *Problem) Unwrap() error { return p.Cause }

// newProblem makes a problem of a kind that belongs to the doors.
func newProblem(kind *ProblemKind, field, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// Invalid is a request that breaks a rule of its form.
func Invalid(field, format string, args ...any) *Problem {
	return newProblem(KindOf(engine.InvalidRequest), field, format, args...)
}

// Refused turns a refusal of the engine into a problem, or nil when nothing was refused.
func Refused(r *engine.Refusal) *Problem {
	if !r.Refused() {
		return nil
	}
	return &Problem{
		Kind: KindOf(r.Code), Field: r.Field, Detail: r.Detail, Lines: r.Lines, Current: r.Current,
		HasCurrent: r.Code == engine.ChangeFromQuantityStale || r.Code == engine.VersionConflict,
	}
}

// Failed turns an operating failure into a problem.
func Failed(err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, engine.ErrOverloaded):
		return newProblem(Overloaded, "", "%s; nothing was done", err)
	case errors.Is(err, engine.ErrUnavailable):
		return newProblem(Unavailable, "", "%s", err)
	}
	p = newProblem(Internal, "", "a bug was met; it is in the log under the request id")
	p.Cause = err
	return p
}

// ProblemIn returns what is wrong with an answer, or nil.
func ProblemIn(a *engine.Answer) *Problem {
	if a.Err != nil {
		return Failed(a.Err)
	}
	return Refused(&a.Refusal)
}

// KindOf returns the kind of a refusal.
func KindOf(c engine.Code) *ProblemKind { return &refusals[c] }

// Kinds lists every kind: those of access, the refusals in their order of precedence, then the others
// of the doors.
func Kinds() []*ProblemKind {
	all := []*ProblemKind{Unauthenticated, PermissionDenied}
	for _, c := range engine.Codes() {
		all = append(all, KindOf(c))
	}
	return append(all, PayloadTooLarge, TooLargeAnswer, UnsupportedMediaType, NotFound, MethodNotAllowed, EventsGone,
		HistoryGone, Overloaded, Unavailable, AnswerTimeout, Internal)
}

// The kinds that belong to the doors.
var (
	Unauthenticated = &ProblemKind{
		Code: "UNAUTHENTICATED", Status: http.StatusUnauthorized, Title: "There is no valid token",
		Cause: "The server asks for an API token, and the request has none, one that is not known or was revoked, or one that " +
			"has expired.",
		Remedy: "Send `Authorization: Bearer skua_...` (on NATS: the same header of the message) with a token of `skua token new`.",
	}
	PermissionDenied = &ProblemKind{
		Code: "PERMISSION_DENIED", Status: http.StatusForbidden, Title: "The token is not for this",
		Cause: "The token lacks the scope of the operation, or the request names a location or an item that the token is not for. " +
			"`detail` says which. Without authentication: the request comes from a web page of another origin, or names a host " +
			"that this server is not.",
		Remedy: "Use a token that has the scope and the restriction that `detail` names.",
	}
	PayloadTooLarge = &ProblemKind{
		Code: "PAYLOAD_TOO_LARGE", Status: http.StatusRequestEntityTooLarge, Title: "The body is too large",
		Cause:  "The body of the request, or its number of operations, is over the limit that the detail names.",
		Remedy: "Send less at once.",
	}
	TooLargeAnswer = &ProblemKind{
		Code: "ANSWER_TOO_LARGE", Status: http.StatusRequestEntityTooLarge, Title: "The answer is too large",
		Cause: "The answer is larger than a message of the NATS server may be (its max_payload). Unlike any other refusal, " +
			"this one comes afterwards: what a batch had to do is done. Of a read in a batch it says that the results before it " +
			"have more than 8 MiB.",
		Remedy: "Ask for a shorter page, and read less in a batch. Send the operations of a batch again in smaller batches with the same keys: each gets the answer that it had.",
	}
	UnsupportedMediaType = &ProblemKind{
		Code: "UNSUPPORTED_MEDIA_TYPE", Status: http.StatusUnsupportedMediaType, Title: "The body is not JSON",
		Cause:  "The request has a body with a Content-Type other than application/json (and than what `curl -d` says, whose body is read as JSON all the same).",
		Remedy: "Send `Content-Type: application/json` (curl: `--json`), or no Content-Type.",
	}
	NotFound = &ProblemKind{
		Code: "NOT_FOUND", Status: http.StatusNotFound, Title: "There is nothing at this address",
		Cause:  "The path is none of the API.",
		Remedy: "See /openapi.json. A SKU with a slash is written with %2F in a path.",
	}
	MethodNotAllowed = &ProblemKind{
		Code: "METHOD_NOT_ALLOWED", Status: http.StatusMethodNotAllowed, Title: "The path does not take this method",
		Cause:  "The path is of the API, but not with this method.",
		Remedy: "The header Allow lists the methods that it takes.",
	}
	EventsGone = &ProblemKind{
		Code: "EVENTS_GONE", Status: http.StatusGone, Title: "The events after this place are not kept any more",
		Cause:  "The stream was to be resumed at a place in the log that has been let go.",
		Remedy: "Read the state anew (items, history), then follow without Last-Event-ID, or with `from=oldest`.",
	}
	HistoryGone = &ProblemKind{
		Code: "HISTORY_GONE", Status: http.StatusGone, Title: "This page of the history is not kept any more",
		Cause:  "The cursor leads to movements that retention has let go.",
		Remedy: "History begins at the oldest movement that is kept; start again without a cursor to see it.",
	}
	Overloaded = &ProblemKind{
		Code: "OVERLOADED", Status: http.StatusServiceUnavailable, Title: "Too much work in flight", Retry: true,
		Cause:  "A limit of work in flight was reached: of the item, the partition, the node or the door. Nothing was done.",
		Remedy: "Retry after the time in Retry-After, with the same key.",
	}
	Unavailable = &ProblemKind{
		Code: "SERVICE_UNAVAILABLE", Status: http.StatusServiceUnavailable, Title: "Changes are not taken now", Retry: true,
		Cause:  "The server is starting or stopping, the disk is nearly full, or its log has stopped.",
		Remedy: "Retry later with the same key; that is always safe.",
	}
	AnswerTimeout = &ProblemKind{
		Code: "ANSWER_TIMEOUT", Status: http.StatusGatewayTimeout, Title: "The answer did not come in time", Retry: true,
		Cause:  "The command was handed over, but its answer did not come in time. It may still be done.",
		Remedy: "Retry with the same key: if it was done, the retry gets its answer, and it is never done twice.",
	}
	Internal = &ProblemKind{
		Code: "INTERNAL", Status: http.StatusInternalServerError, Title: "A bug was met",
		Cause:  "The server met a bug in itself while it handled the request. The request changed nothing.",
		Remedy: "Please report it, with the lines of the log that have the request id.",
	}
)
