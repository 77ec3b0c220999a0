package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ampra/core/credential"
)

// alreadyInitiated is the server's code for a replica set that exists.
const alreadyInitiated = 23

// Initiate makes the server at url a replica set of one whose member is reached
// as host (name:port), and waits until it takes writes. One that is a replica set
// already is left as it is.
func Initiate(ctx context.Context, url credential.Secret, host string) error {
	o := options.Client().ApplyURI(url.Reveal())
	set := "rs0"
	if o.ReplicaSet != nil {
		set = *o.ReplicaSet
		o.ReplicaSet = nil
	}
	o.SetDirect(true).SetHosts([]string{host}).SetServerSelectionTimeout(5 * time.Second)
	client, err := mongo.Connect(o)
	if err != nil {
		return fmt.Errorf("connecting to MongoDB: %w", err)
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	admin := client.Database("admin")
	err = admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{
		{Key: "_id", Value: set},
		{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: host}}}},
	}}}).Err()
	var refused mongo.CommandError
	if err != nil && (!errors.As(err, &refused) || refused.Code != alreadyInitiated) {
		return fmt.Errorf("initiating the replica set %s: %w", set, err)
	}
	for {
		var state struct {
			Primary bool `bson:"isWritablePrimary"`
		}
		if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&state); err == nil && state.Primary {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the replica set %s to take writes: %w", set, ctx.Err())
		}
	}
}
