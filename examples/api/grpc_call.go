// Ask an API server over gRPC from Go, with code that protoc generates (docs/grpc.md has the command).
//
// TOKEN=… grpc_call ADDRESS
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"appliance.internal/appliancev1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+os.Getenv("TOKEN"))
	options := []grpc.DialOption{grpc.WithInsecure(), grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{}))}
	channel, err := grpc.DialContext(ctx, os.Args[1], options...)
	check(err)
	defer channel.Close()

	node, err := appliancev1.NewNodeServiceClient(channel).Status(ctx, &appliancev1.StatusRequest{})
	check(err)
	fmt.Println("node:", node.Name, node.State)

	jobs := appliancev1.NewTemplatesServiceClient(channel)
	patience := map[string]*structpb.Value{"patience": structpb.NewNumberValue(10)}
	job, err := jobs.TemplatesExecute(ctx, &appliancev1.TemplatesExecuteRequest{Template: "health-check", Parameters: patience})
	check(err)
	events, err := jobs.TemplatesStream(ctx, &appliancev1.TemplatesStreamRequest{ExecutionId: job.Id})
	check(err)
	for {
		event, err := events.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		check(err)
		fmt.Println("job:", event.Id, event.Event)
	}

	var trailer metadata.MD
	_, err = jobs.TemplatesStatus(ctx, &appliancev1.TemplatesStatusRequest{ExecutionId: "nothing"}, grpc.Trailer(&trailer))
	var problem struct{ Code string }
	check(json.Unmarshal([]byte(trailer.Get("problem-bin")[0]), &problem))
	fmt.Println("refused:", status.Code(err), problem.Code)
}

// codec: the gRPC of Debian 12 (1.33) cannot read what today's protoc-gen-go generates. Later ones can, and need none of this.
type codec struct{}

func (codec) Marshal(value interface{}) ([]byte, error) { return proto.Marshal(value.(proto.Message)) }
func (codec) Unmarshal(data []byte, value interface{}) error {
	return proto.Unmarshal(data, value.(proto.Message))
}
func (codec) Name() string { return "proto" }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
