// Servers that misbehave, within the package: go test
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// served is a client of a server that is one function.
func served(t *testing.T, answer http.HandlerFunc, options ...Option) *Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	made, err := New(server.URL, append([]Option{WithToken("t"), WithLongestWait(0), WithRetries(2)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func same(t *testing.T, found, expected any) {
	t.Helper()
	if !reflect.DeepEqual(found, expected) {
		t.Errorf("found %#v, expected %#v", found, expected)
	}
}

func TestWhatIsSentAgain(t *testing.T) {
	status := func(c *Client) error { _, err := c.Status(context.Background()); return err }
	confirm := func(c *Client) error { _, err := c.Confirm(context.Background(), ConfirmArguments{}); return err }
	keyed := func(c *Client) error {
		_, err := c.Confirm(context.Background(), ConfirmArguments{}, WithKey("k"))
		return err
	}
	for _, each := range []struct {
		name      string
		status    int
		retryable bool
		call      func(*Client) error
		attempts  int
	}{
		{"busy, changes something", 503, true, confirm, 3},
		{"too many", 429, true, confirm, 3},
		{"busy, but never better", 503, false, confirm, 1},
		{"nobody knows, changes something", 504, true, confirm, 1},
		{"nobody knows, with a key", 504, true, keyed, 3},
		{"nobody knows, looks", 504, true, status, 3},
		{"refused", 403, false, status, 1},
	} {
		t.Run(each.name, func(t *testing.T) {
			seen := 0
			err := each.call(served(t, func(w http.ResponseWriter, r *http.Request) {
				seen++
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(each.status)
				fmt.Fprintf(w, `{"code": "No", "detail": "no", "hint": "wait", "retryable": %v, "instance": "urn:request:7"}`, each.retryable)
			}))
			var problem *Problem
			if !errors.As(err, &problem) {
				t.Fatal(err)
			}
			same(t, []any{problem.Status, problem.Code, problem.Hint, problem.RequestID, problem.Retryable, problem.RetryAfter},
				[]any{each.status, "No", "wait", "7", each.retryable, 7 * time.Second})
			same(t, err.Error(), "No: no (wait)")
			same(t, seen, each.attempts)
		})
	}
}

func TestAConnectionThatBreaksInTheMiddle(t *testing.T) {
	seen := 0
	node := served(t, func(w http.ResponseWriter, r *http.Request) {
		seen++
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, `{"name": `)
	})
	var failed *ConnectionFailed
	_, err := node.Status(context.Background())
	same(t, []any{errors.As(err, &failed), seen}, []any{true, 3})
	seen = 0
	_, err = node.Confirm(context.Background(), ConfirmArguments{})
	same(t, []any{errors.As(err, &failed), seen}, []any{true, 1})
	seen = 0
	_, err = node.Confirm(context.Background(), ConfirmArguments{}, WithKey("k"))
	same(t, []any{errors.As(err, &failed), seen}, []any{true, 3})
}

func TestAServerThatIsSilent(t *testing.T) {
	over := make(chan struct{})
	node := served(t, func(http.ResponseWriter, *http.Request) { <-over }, WithTimeout(20*time.Millisecond), WithRetries(1))
	defer close(over)
	_, err := node.Status(context.Background())
	var failed *ConnectionFailed
	same(t, []any{errors.As(err, &failed), errors.Is(err, context.DeadlineExceeded)}, []any{true, true})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = node.Status(ctx)
	same(t, errors.Is(err, context.Canceled), true)
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON": "<html>", "nothing": "", "another kind": "[1]", "a member of another kind": `{"name": 5}`,
		"too much": `{"name": "` + strings.Repeat("x", mostAnswer) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			seen := 0
			_, err := served(t, func(w http.ResponseWriter, _ *http.Request) { seen++; fmt.Fprint(w, body) }).Status(context.Background())
			var failed *ConnectionFailed
			same(t, []any{errors.As(err, &failed), seen}, []any{true, 1})
		})
	}
	found, err := served(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "null") }).Status(context.Background())
	same(t, []any{found != nil, err}, []any{true, nil})
}

func TestProblemsOfOthers(t *testing.T) {
	for name, each := range map[string]struct{ body, code, detail string }{
		"a page of a proxy":     {"<html>", "http-502", "Bad Gateway"},
		"members of other kind": {`{"code": 5, "detail": ["x"], "retryable": "yes", "problems": 1, "instance": {}}`, "http-502", "Bad Gateway"},
		"a list":                {`[1]`, "http-502", "Bad Gateway"},
		"only a title":          {`{"title": "Oh"}`, "http-502", "Oh"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := served(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); fmt.Fprint(w, each.body) }).
				Status(context.Background())
			var problem *Problem
			if !errors.As(err, &problem) {
				t.Fatal(err)
			}
			same(t, []any{problem.Code, problem.Detail, problem.Retryable}, []any{each.code, each.detail, false})
		})
	}
	_, err := served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(422)
		fmt.Fprint(w, `{"code": "Invalid", "problems": [{"path": "ttl", "message": "less"}]}`)
	}).Invite(context.Background(), InviteArguments{Name: "x"})
	var problem *Problem
	same(t, errors.As(err, &problem), true)
	same(t, problem.Problems, []ArgumentProblem{{"ttl", "less"}})
}

func TestATokenGoesNowhereElse(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Error("asked elsewhere") }))
	defer elsewhere.Close()
	_, err := served(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, 302) }).
		Status(context.Background())
	var problem *Problem
	same(t, errors.As(err, &problem) && problem.Status == 302, true)
	_, err = served(t, nil, WithToken("secret\r\nHost: x")).Status(context.Background())
	same(t, err != nil && !strings.Contains(err.Error(), "secret"), true)
	broken := errors.New("no token today")
	_, err = served(t, nil, WithTokens(func(context.Context) (string, error) { return "", broken })).Status(context.Background())
	same(t, errors.Is(err, broken), true)
	for _, address := range []string{"", "node", "ftp://node", "http://user:secret@node", "http://", "http://node\n"} {
		if _, err := New(address); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := New("https://node", WithAuthority([]byte("no certificate"))); err == nil {
		t.Error("that was no certificate")
	}
}

func TestArgumentsStandWhereTheyBelong(t *testing.T) {
	var seen []string
	node := served(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body)))
		same(t, r.Header.Get("Authorization"), "Bearer t")
		fmt.Fprint(w, "{}")
	})
	ctx := context.Background()
	_, _ = node.Lookup(ctx, LookupArguments{Name: "a/b ?é"})
	_, _ = node.Lookup(ctx, LookupArguments{Name: ".."})
	_, _ = node.Peers(ctx, PeersArguments{Limit: Some(int64(5))})
	_, _ = node.Invite(ctx, InviteArguments{Name: "laptop", Tags: []string{"x"}})
	_, _ = node.UsersCreate(ctx, UsersCreateArguments{Name: "a", Password: "<&>"})
	_, _ = node.TokensCreate(ctx, TokensCreateArguments{Name: "a"})
	_ = node.EventsFollow(ctx, EventsFollowArguments{Topics: []string{"a", "b"}}).step()
	same(t, seen, []string{
		"GET /api/v1/names/a%2Fb%20%3F%C3%A9", "GET /api/v1/names/%2E%2E", "GET /api/v1/peers?limit=5",
		`POST /api/v1/invitations {"name":"laptop","tags":["x"]}`,
		`POST /api/v1/users {"name":"a","password":"\u003c\u0026\u003e"}`,
		`POST /api/v1/tokens {"name":"a","scopes":[]}`,
		"GET /api/v1/events?topics=a&topics=b",
	})
}

func TestMembersThatNobodyKnowsAreKept(t *testing.T) {
	found, err := served(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"name": "n", "later": 9007199254740993, "state": null}`)
	}).Status(context.Background())
	same(t, err, nil)
	same(t, found.Name, "n")
	same(t, string(found.OtherMembers["later"]), "9007199254740993")
	same(t, len(found.OtherMembers), 1)
}

func TestAListIsReadToItsEndOrToItsError(t *testing.T) {
	node := served(t, func(w http.ResponseWriter, r *http.Request) {
		after := r.URL.Query().Get("after")
		if after == "3" {
			w.WriteHeader(403)
			return
		}
		next := map[string]string{"": "1", "1": "2", "2": "3"}[after]
		_ = json.NewEncoder(w).Encode(map[string]any{"next": next, "items": []any{map[string]any{"name": "u" + after}}})
	})
	users, names := node.UsersListAll(context.Background(), UsersListArguments{}), []string{}
	for users.Next() {
		names = append(names, users.Item().Name)
	}
	var problem *Problem
	same(t, names, []string{"u", "u1", "u2"})
	same(t, []any{errors.As(users.Err(), &problem), users.Next()}, []any{true, false})
}

func TestRequestsLeaveAtTheRateThatIsAskedFor(t *testing.T) {
	node := served(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }, WithRate(1000))
	began := time.Now()
	for range [3]int{} {
		_, _ = node.Status(context.Background())
	}
	if took := time.Since(began); took < 2*time.Millisecond {
		t.Error(took)
	}
}

func TestLimitsMayBeWithoutEnd(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			w.WriteHeader(204)
			return
		}
		fmt.Fprint(w, "{}")
	}
	for _, option := range []Option{WithTimeout(0), WithRate(0), WithRate(-1), WithLongestWait(1 << 62), WithRetries(-1)} {
		node := served(t, answer, option)
		_, err := node.Status(context.Background())
		same(t, err, nil)
		events := node.EventsFollow(context.Background(), EventsFollowArguments{})
		same(t, []any{events.Next(), events.Err()}, []any{false, nil})
	}
	rare, err := New("http://node", WithRate(1e-300))
	same(t, []any{err, rare.every}, []any{nil, longestPause})
}

func TestPausesGrowAndEnd(t *testing.T) {
	node, _ := New("http://node", WithLongestWait(3*time.Second))
	for attempt := range [40]int{} {
		if wait := node.wait(attempt, 0); wait > 3*time.Second || (attempt < 4 && wait < firstWait<<attempt/2) {
			t.Error(attempt, wait)
		}
	}
	same(t, node.wait(0, time.Second), time.Second)
	same(t, node.wait(0, time.Hour), 3*time.Second)
}

// cuts answers a stream by one text after the other, each of which it breaks off.
func cuts(t *testing.T, texts ...string) (*Client, *[]string) {
	asked := []string{}
	return served(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Last-Event-ID"))
		if len(texts) == 0 {
			w.WriteHeader(204)
			return
		}
		text := texts[0]
		texts = texts[1:]
		if text == "busy" {
			w.WriteHeader(503)
			return
		}
		if text == "refused" {
			w.WriteHeader(403)
			return
		}
		fmt.Fprint(w, strings.TrimSuffix(text, "!"))
		if strings.HasSuffix(text, "!") {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}), &asked
}

func told(stream *Stream[string]) []string {
	found := []string{}
	for stream.Next() {
		found = append(found, fmt.Sprint(stream.Event()))
	}
	return found
}

func TestAnEventThatIsNoJSONEndsAStream(t *testing.T) {
	node, asked := cuts(t, "data: \"a\ndata: b\"\n\n") // a text has no line end within
	stream := follow[string](context.Background(), node, request{verb: "GET", path: "/"})
	var failed *ConnectionFailed
	same(t, []any{told(stream), errors.As(stream.Err(), &failed), *asked}, []any{[]string{}, true, []string{""}})
}

func TestAStreamTellsEachEventOnce(t *testing.T) {
	node, asked := cuts(t,
		": hello\n\nretry: 1\nid: 1\nevent: peer\ndata: \"a\"\n\nid: 2\r\ndata:\r\ndata: \"2\"\r\n\r\nid: 3\ndata: \"lost\"!",
		"busy",
		"id: 3\ndata:\"3\"\n\n: heartbeat\nid: 9\n\nid: 10\n",
		"data: \"4\"\n\n",
	)
	stream := follow[string](context.Background(), node, request{verb: "GET", path: "/"})
	same(t, told(stream), []string{"{1 peer a}", "{2 message 2}", "{3 message 3}", "{9 message 4}"})
	same(t, stream.Err(), nil)
	same(t, *asked, []string{"", "2", "2", "9", "9"})
	same(t, stream.Next(), false)
}

func TestAStreamThatIsRefusedOrNeverBeginsEnds(t *testing.T) {
	var problem *Problem
	node, asked := cuts(t, "refused")
	stream := follow[string](context.Background(), node, request{verb: "GET", path: "/"})
	same(t, []any{told(stream), errors.As(stream.Err(), &problem), len(*asked)}, []any{[]string{}, true, 1})
	node, asked = cuts(t, "!", "!", "!", "!")
	stream = follow[string](context.Background(), node, request{verb: "GET", path: "/"})
	var failed *ConnectionFailed
	same(t, []any{told(stream), errors.As(stream.Err(), &failed), len(*asked)}, []any{[]string{}, true, 3})
	node, _ = cuts(t, "data: "+strings.Repeat("x", mostLine+8192)+"\n")
	stream = follow[string](context.Background(), node, request{verb: "GET", path: "/"})
	same(t, []any{told(stream), errors.As(stream.Err(), &failed)}, []any{[]string{}, true})
	node, _ = cuts(t, strings.Repeat("data: "+strings.Repeat("x", mostLine/2)+"\n", 2*mostEvent/mostLine+2))
	stream = follow[string](context.Background(), node, request{verb: "GET", path: "/"})
	same(t, []any{told(stream), errors.As(stream.Err(), &failed)}, []any{[]string{}, true})
}

func TestAStreamIsClosedByAnotherGoroutineOrByItsContext(t *testing.T) {
	open := func() (*Client, chan struct{}) {
		began := make(chan struct{})
		return served(t, func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			close(began)
			<-r.Context().Done()
		}), began
	}
	node, began := open()
	stream := follow[string](context.Background(), node, request{verb: "GET", path: "/"})
	go func() { <-began; stream.Close() }()
	same(t, []any{stream.Next(), stream.Err()}, []any{false, nil})

	node, began = open()
	ctx, cancel := context.WithCancel(context.Background())
	stream = follow[string](ctx, node, request{verb: "GET", path: "/"})
	go func() { <-began; cancel() }()
	same(t, []any{stream.Next(), stream.Err()}, []any{false, context.Canceled})
}
