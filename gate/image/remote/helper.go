package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/policy/words"
)

// helperTimeout bounds a credential helper: some ask a server, and some wait
// for the input of a person.
const helperTimeout = 30 * time.Second

// maxHelperOutput bounds what a helper may print.
const maxHelperOutput = 64 << 10

var helperForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// askHelper asks docker-credential-NAME for a server's credentials, nil when it
// has none. docker's own client for this protocol knows no context, so a helper
// that hangs would outlive every deadline.
func askHelper(ctx context.Context, name, server string) (*authn.AuthConfig, error) {
	program := "docker-credential-" + name
	if !helperForm.MatchString(name) {
		return nil, fmt.Errorf("%s is not the name of a credential helper", words.Quote(name))
	}
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "get")
	cmd.Stdin = strings.NewReader(server)
	out := &cappedBuffer{}
	cmd.Stdout = out
	cmd.WaitDelay = time.Second // for children that keep the pipe open
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("the credential helper %s is not installed", program)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the credential helper %s did not end within %s", program, words.Duration(helperTimeout))
	case err != nil && strings.Contains(out.String(), "credentials not found"):
		return nil, nil // the protocol's answer for "none"
	case err != nil:
		// A helper that fails prints why, where it would print the credentials.
		return nil, fmt.Errorf("the credential helper %s failed: %s", program, image.Printable(firstLine(out.String())))
	}
	return parseHelper(program, out.Bytes())
}

func parseHelper(program string, out []byte) (*authn.AuthConfig, error) {
	var answer struct{ Username, Secret string }
	if json.Unmarshal(out, &answer) != nil {
		return nil, fmt.Errorf("the credential helper %s printed something that is not its protocol", program)
	}
	switch {
	case answer.Secret == "":
		return nil, nil
	case answer.Username == "<token>":
		return &authn.AuthConfig{IdentityToken: answer.Secret}, nil
	}
	return &authn.AuthConfig{Username: answer.Username, Password: answer.Secret}, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// cappedBuffer keeps the beginning of what is written to it.
type cappedBuffer struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *cappedBuffer) Write(p []byte) (int, error) {
	_, _ = b.Buffer.Write(p[:min(len(p), max(0, maxHelperOutput-b.Len()))])
	return len(p), nil
}
