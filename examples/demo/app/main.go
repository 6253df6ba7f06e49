// Command shop is a small web service for the demo of imagegate. It answers
// /healthz after it has asked its PostgreSQL server for a greeting.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

func main() {
	database := os.Getenv("DATABASE")
	http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := greet(r.Context(), database); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// greet opens a session with the database and waits for its first message.
func greet(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	front := pgproto3.NewFrontend(conn, conn)
	front.Send(&pgproto3.StartupMessage{
		ProtocolVersion: pgproto3.ProtocolVersionNumber,
		Parameters:      map[string]string{"user": "shop"},
	})
	if err := front.Flush(); err != nil {
		return err
	}
	_, err = front.Receive()
	return err
}
