package main

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/prove"
)

const (
	// signKeyVariable names the signing key when no flag does. Its value is a file,
	// a URI, or the key itself.
	signKeyVariable = "IMAGEGATE_SIGN_KEY"
	// passwordVariable is of cosign, whose keys are encrypted with it.
	passwordVariable = "COSIGN_PASSWORD"

	publicFulcio = "https://fulcio.sigstore.dev"
	publicRekor  = "https://rekor.sigstore.dev"
	maxToken     = 64 << 10
)

// signFlags say with what a decision is signed.
func signFlags() []cli.Flag {
	return cmdline.Group("Signing",
		&cli.StringFlag{Name: "sign-key", Usage: "sign with the private key in `FILE` (PEM; PKCS#8, or of cosign with COSIGN_PASSWORD), or with a key of a\n" +
			"key management service: awskms://, azurekms://, gcpkms://, hashivault:// or SCHEME:// (runs the program\n" +
			"sigstore-kms-SCHEME); the variable IMAGEGATE_SIGN_KEY does the same, and may hold the key itself"},
		&cli.BoolFlag{Name: "keyless", Usage: "sign with the identity of the job: a token of GitHub or GitLab, or that of --identity-token"},
		&cli.StringFlag{Name: "identity-token", Usage: "take the token of the identity from `FILE`"},
		&cli.StringFlag{Name: "fulcio-url", Value: publicFulcio, Usage: "get the certificate of an identity at `URL` (default: " + publicFulcio + ")"},
		&cli.StringFlag{Name: "rekor-url", Usage: "enter the signature in the transparency log at `URL`, none for no log (default with --keyless: " + publicRekor + ")"},
		&cli.IntFlag{Name: "rekor-version", Value: 1, Usage: "the version of that log, `1|2` (default: 1); one of version 2 needs --timestamp-url"},
		&cli.StringFlag{Name: "timestamp-url", Usage: "have the signature timestamped by the authority at `URL`"},
		&cli.StringFlag{Name: "verifier-id", Value: defaultVerifier, Usage: "say in the decision that `URI` decided (default: " + defaultVerifier + ")"},
	)
}

// defaultVerifier names who decided when --verifier-id is not given.
const defaultVerifier = "https://github.com/imagegate/imagegate"

// signingOf reads the flags of signFlags. A key in a file is read at once, so that a
// wrong password is known before any work. A key management service is asked when
// there is something to sign: that it is away must not cost a verdict. Once it has
// answered, its key is used for everything that the run signs. What is returned is not
// for several goroutines at once.
func signingOf(p *program, c *cli.Context, conn *connection) (func(context.Context) (*prove.Signing, error), error) {
	key := c.String("sign-key")
	if key == "" && !c.Bool("keyless") {
		key = p.env.get(signKeyVariable)
	}
	switch {
	case key != "" && c.Bool("keyless"):
		return nil, usagef("flags --sign-key and --keyless exclude each other")
	case key == "" && !c.Bool("keyless"):
		return nil, usagef("there is nothing to sign with").
			WithHint("name a key with --sign-key FILE|URI, or sign with the identity of the job: --keyless")
	case c.IsSet("identity-token") && !c.Bool("keyless"):
		return nil, usagef("flag --identity-token needs --keyless")
	}
	s, err := servicesOf(c, conn)
	if err != nil {
		return nil, err
	}
	var signing *prove.Signing
	switch {
	case c.Bool("keyless"):
		token, err := tokenOf(p, c, s)
		if err != nil {
			return nil, err
		}
		signing, err = prove.KeylessSigning(token, s)
		if err != nil {
			return nil, usagef("%w", err)
		}
	case prove.IsKMS(key):
		return func(ctx context.Context) (*prove.Signing, error) {
			if signing != nil {
				return signing, nil
			}
			opened, err := prove.KMSSigning(ctx, key, s)
			if err == nil {
				signing = opened
			}
			return opened, err
		}, nil
	default:
		if signing, err = fileSigning(p, c, key, s); err != nil {
			return nil, err
		}
	}
	return func(context.Context) (*prove.Signing, error) { return signing, nil }, nil
}

// fileSigning reads a private key, which key names or is.
func fileSigning(p *program, c *cli.Context, key string, s prove.Services) (*prove.Signing, error) {
	pem := []byte(key)
	name := "the variable " + signKeyVariable
	if !strings.Contains(key, "-----BEGIN ") {
		var err error
		name = key
		if pem, err = input.ReadFile(c.Context, key, maxKey); err != nil {
			return nil, fileError("read the signing key", err)
		}
	}
	var password []byte
	if value, ok := p.env.lookup(passwordVariable); ok {
		password = []byte(value)
	}
	signing, err := prove.KeySigning(pem, password, s)
	if errors.Is(err, prove.ErrPassword) {
		return nil, usagef("%s: %w", name, err).WithHint("set the variable %s", passwordVariable)
	}
	if err != nil {
		return nil, usagef("%s: %w", name, err).WithHint("a key is PKCS#8 in PEM form, as openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 writes it, or one of cosign with its password in %s", passwordVariable)
	}
	return signing, nil
}

// servicesOf reads the addresses of the services.
func servicesOf(c *cli.Context, conn *connection) (prove.Services, error) {
	s := prove.Services{
		Transport: conn.client.Direct(), Fulcio: c.String("fulcio-url"), Rekor: c.String("rekor-url"),
		RekorVersion: c.Int("rekor-version"), Timestamps: c.String("timestamp-url"),
	}
	switch {
	case s.Rekor == "none":
		s.Rekor = ""
	case s.Rekor == "" && c.Bool("keyless"):
		s.Rekor = publicRekor
	}
	if s.RekorVersion != 1 && s.RekorVersion != 2 {
		return s, usagef("flag --rekor-version: %d is neither 1 nor 2", s.RekorVersion)
	}
	for flag, address := range map[string]string{"fulcio-url": s.Fulcio, "rekor-url": s.Rekor, "timestamp-url": s.Timestamps} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			return s, usagef("flag --%s: %q is no address", flag, address).WithHint("write it as https://HOST")
		}
	}
	return s, nil
}

// tokenOf says where the token of an identity comes from: a file, a variable that
// GitLab sets, or the service of GitHub.
func tokenOf(p *program, c *cli.Context, s prove.Services) (func(context.Context) (string, error), error) {
	fixed := func(token string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return token, nil }
	}
	if path := c.String("identity-token"); path != "" {
		raw, err := input.ReadFile(c.Context, path, maxToken)
		if err != nil {
			return nil, fileError("read the token", err)
		}
		return fixed(strings.TrimSpace(string(raw))), nil
	}
	if token := p.env.get("SIGSTORE_ID_TOKEN"); token != "" {
		return fixed(token), nil
	}
	address, credential := p.env.get("ACTIONS_ID_TOKEN_REQUEST_URL"), p.env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if address != "" && credential != "" {
		return func(ctx context.Context) (string, error) {
			return prove.GitHubToken(ctx, s.Transport, address, credential)
		}, nil
	}
	return nil, usagef("there is no token of an identity").
		WithHint("at GitHub give the job permissions: {id-token: write}, which forks do not get; at GitLab add id_tokens: {SIGSTORE_ID_TOKEN: {aud: sigstore}}; elsewhere name a file with --identity-token")
}
