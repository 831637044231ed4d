// The story in Go: story SCENE
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	"appliance.internal/client"
)

type scene struct {
	URL, Name, Password, Cutting, Busy, Gone, Socket, TLS, Pin, Wrong, Authority, Mutual, Key string
}

func main() {
	var at scene
	read(os.Args[1], &at)
	told := map[string]any{}
	ctx := context.Background()

	stranger := opened(at.URL)
	granted, err := stranger.AuthLogin(ctx, client.AuthLoginArguments{Name: at.Name, Password: at.Password})
	check(err)
	token := client.WithTokens(func(context.Context) (string, error) { return granted.AccessToken, nil })
	node := opened(at.URL, token)
	myself, err := node.UsersProfile(ctx)
	check(err)
	told["user"] = myself.Name
	told["node"] = name(node)
	users := node.UsersListAll(ctx, client.UsersListArguments{Limit: client.Some(int64(2))})
	names := []string{}
	for users.Next() {
		names = append(names, users.Item().Name)
	}
	check(users.Err())
	told["users"] = names

	var problem *client.Problem
	_, err = node.UsersGet(ctx, client.UsersGetArguments{Name: "nobody"})
	if errors.As(err, &problem) {
		told["refused"] = []any{problem.Status, problem.Code, problem.Hint != "", problem.RequestID != ""}
	}
	_, err = stranger.Status(ctx)
	if errors.As(err, &problem) {
		told["stranger"] = []any{problem.Status, problem.Code}
	}

	what := client.TemplatesExecuteArguments{Template: "health-check", Parameters: map[string]any{"patience": 30}}
	job, err := node.TemplatesExecute(ctx, what, client.WithKey("go-1"))
	check(err)
	same, err := node.TemplatesExecute(ctx, what, client.WithKey("go-1"))
	check(err)
	told["once"] = job.ID == same.ID
	told["events"] = followed(ctx, node, job.ID)
	status, err := node.TemplatesStatus(ctx, client.TemplatesStatusArguments{ExecutionID: job.ID})
	check(err)
	told["state"] = status.State
	told["resumed"] = followed(ctx, opened(at.Cutting, token), job.ID)
	told["busy"] = name(opened(at.Busy, token))
	told["gone"] = failed(opened(at.Gone, client.WithRetries(1)))

	pem, err := os.ReadFile(at.Authority)
	check(err)
	told["socket"] = name(opened("unix:" + at.Socket))
	told["pinned"] = name(opened(at.TLS, token, client.WithPins(at.Wrong, at.Pin)))
	told["mispinned"] = failed(opened(at.TLS, token, client.WithPins(at.Wrong)))
	told["authority"] = name(opened(at.TLS, token, client.WithAuthority(pem)))
	mine, err := tls.LoadX509KeyPair(at.Authority, at.Key)
	check(err)
	told["mutual"] = name(opened(at.Mutual, token, client.WithAuthority(pem), client.WithCertificate(mine)))
	told["nobody"] = failed(opened(at.Mutual, token, client.WithAuthority(pem)))
	told["unknown"] = failed(opened(at.TLS, token))
	data, err := json.Marshal(told)
	check(err)
	fmt.Println(string(data))
}

func opened(address string, options ...client.Option) *client.Client {
	made, err := client.New(address, options...)
	check(err)
	return made
}

func name(node *client.Client) string {
	status, err := node.Status(context.Background())
	check(err)
	return status.Name
}

func failed(node *client.Client) bool {
	_, err := node.Status(context.Background())
	var failed *client.ConnectionFailed
	return errors.As(err, &failed)
}

func followed(ctx context.Context, node *client.Client, execution string) [][]string {
	stream := node.TemplatesStream(ctx, client.TemplatesStreamArguments{ExecutionID: execution})
	defer stream.Close()
	events := [][]string{}
	for stream.Next() {
		events = append(events, []string{stream.Event().ID, stream.Event().Event})
	}
	check(stream.Err())
	return events
}

func read(file string, into any) {
	data, err := os.ReadFile(file)
	check(err)
	check(json.Unmarshal(data, into))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
