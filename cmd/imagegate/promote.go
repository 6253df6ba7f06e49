package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

func promoteCommand(p *program) *cli.Command {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "judge, print what would be copied, and write nothing"},
		&cli.StringFlag{Name: "if-target", Usage: "promote only if every tag is `absent|DIGEST` now"},
		&cli.StringFlag{Name: "attachments", Value: string(promote.AttachmentsAll), Usage: "copy `all|none` of the signatures, attestations and other referrers (default: all)"},
		evidenceFlag(),
	}
	flags = slices.Concat(policyFlags(), flags, attestFlags(), workerFlags(), reportFlags(), databaseFlags(), layerCacheFlags(), networkFlags())
	return &cli.Command{
		Name:      "promote",
		Usage:     "judge an image and copy exactly what was judged",
		ArgsUsage: "SOURCE TARGET:TAG...",
		Description: `Judges every platform of SOURCE, an image in a registry. When it passes, it is
copied by its digest to each TARGET:TAG, with all platforms, attestations,
signatures and other referrers. The copy is compared with the source, and the tags
are set last. A promotion that was cut off can be run again.

  0  every tag names the judged digest, and everything that belongs to it is there
  1  the policy denies the image; nothing was copied
  2  there is no verdict, or the promotion did not finish; the report says which`,
		Flags:  flags,
		Action: p.action(runPromote),
	}
}

// promotion is what the command line asks for.
type promotion struct {
	source  string
	targets []promotionTarget
	o       promote.Options
	dry     bool
}

// promotionTarget is a repository and the tags to set there.
type promotionTarget struct {
	repository string
	tags       []string
}

func runPromote(p *program, c *cli.Context) error {
	want, err := promotionOf(c)
	if err != nil {
		return err
	}
	run, err := prepare(p, c)
	if err != nil {
		return err
	}
	o, err := newScanOptions(p, c, run)
	if err != nil {
		return err
	}
	defer o.connection.client.Close()
	attester, err := newAttester(p, c, run, o.connection)
	if err != nil {
		return err
	}
	if attester != nil && attester.resource != "" {
		return usagef("flag --resource: a promotion signs that the image may be at its target")
	}
	finished, err := judgeImages(p, c, run, o, nil, []string{want.source})
	if err != nil {
		return err
	}
	switch outcome := finished.Outcome(); {
	case outcome == policy.Passed:
		done, err := want.carryOut(c.Context, o, judgedDigest(finished.Results), attester.before(finished))
		finished.Notes = append(finished.Notes, done...)
		if attester != nil {
			attester.settle(run, finished, nil)
		}
		if err != nil {
			finished.Revoke(fmt.Errorf("the image passes, but the promotion did not finish: %w", err))
		}
	case attester != nil && outcome == policy.Denied && !want.dry:
		attester.settle(run, finished, want.attestFailed(c.Context, o, attester, finished))
	}
	return p.report(c.Context, run, finished)
}

// attestFailed signs that the image failed, where a target has it already.
func (w *promotion) attestFailed(ctx context.Context, o *scanOptions, a *attester, run *gate.Run) error {
	var problems []error
	for _, t := range w.targets {
		target, err := o.connection.client.Repository(t.repository)
		if err == nil {
			_, err = target.Manifest(ctx, judgedDigest(run.Results))
		}
		if err == nil {
			err = a.run(ctx, run, target.Name())
		}
		if err != nil && !errors.Is(err, promote.ErrNotFound) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// promotionOf reads the arguments and the flags about promotions.
func promotionOf(c *cli.Context) (*promotion, error) {
	args := c.Args().Slice()
	if len(args) < 2 {
		return nil, usagef("imagegate promote needs a source and a target").
			WithHint("imagegate promote registry.example.no/test/app:1.4.2 registry.example.no/prod/app:1.4.2")
	}
	w := &promotion{source: args[0], dry: c.Bool("dry-run")}
	w.o = promote.Options{IfTarget: c.String("if-target"), Attachments: promote.Attachments(c.String("attachments"))}
	if a := w.o.Attachments; a != promote.AttachmentsAll && a != promote.AttachmentsNone {
		return nil, usagef("flag --attachments: %q is neither all nor none", a)
	}
	if t := w.o.IfTarget; t != "" && t != promote.Absent && !strings.HasPrefix(t, "sha256:") {
		return nil, usagef("flag --if-target: %q is neither absent nor a digest", t)
	}
	source, err := image.ParseReference(w.source)
	if err != nil {
		return nil, usagef("%w", err)
	}
	if source.Source != evidence.SourceRegistry {
		return nil, usagef("%s is not in a registry: only an image in a registry can be promoted by its digest", w.source).
			WithHint("push it to a registry first, for example with skopeo copy --preserve-digests, and promote it from there")
	}
	for _, arg := range args[1:] {
		if err := w.addTarget(arg); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *promotion) addTarget(arg string) error {
	t, err := image.ParseReference(arg)
	switch {
	case err != nil:
		return usagef("%w", err)
	case t.Source != evidence.SourceRegistry:
		return usagef("the target %s is not in a registry", arg).WithHint("name it as REGISTRY/REPOSITORY:TAG")
	case t.Tag == "" || t.Digest != "":
		return usagef("the target %s names no tag alone", arg).WithHint("name it as REGISTRY/REPOSITORY:TAG; the digest is that of the source")
	}
	repository := strings.TrimSuffix(arg, ":"+t.Tag)
	i := slices.IndexFunc(w.targets, func(t promotionTarget) bool { return t.repository == repository })
	if i < 0 {
		i = len(w.targets)
		w.targets = append(w.targets, promotionTarget{repository: repository})
	}
	if !slices.Contains(w.targets[i].tags, t.Tag) {
		w.targets[i].tags = append(w.targets[i].tags, t.Tag)
	}
	return nil
}

// judgedDigest is the digest that the source named when it was judged: of the index
// where there is one.
func judgedDigest(results []gate.Result) string {
	e := results[0].Evidence
	if e.IndexDigest != "" {
		return e.IndexDigest
	}
	return e.Digest
}

// carryOut copies the digest to every target, and says what it did.
func (w *promotion) carryOut(ctx context.Context, o *scanOptions, digest string, before func(ctx context.Context, repository string) error) ([]string, error) {
	source, err := o.connection.client.Repository(w.source)
	if err != nil {
		return nil, err
	}
	var promotions []*promote.Promotion
	for _, t := range w.targets { // all are looked at before one is written
		target, err := o.connection.client.Repository(t.repository)
		if err != nil {
			return nil, err
		}
		wishes := w.o
		if before != nil {
			wishes.BeforeTags = func(ctx context.Context) error { return before(ctx, target.Name()) }
		}
		one, err := promote.Prepare(ctx, source, digest, target, t.tags, wishes)
		if err != nil {
			return nil, fmt.Errorf("%w; nothing was written", err)
		}
		promotions = append(promotions, one)
	}
	var done []string
	for _, one := range promotions {
		if w.dry {
			done = append(done, planText("would copy", &one.Plan))
			continue
		}
		if err := one.Run(ctx); err != nil {
			return done, err
		}
		done = append(done, planText("promoted", &one.Plan))
	}
	return done, nil
}

// planText says what a plan copies, and what its tags named before.
func planText(verb string, plan *promote.Plan) string {
	var tags []string
	for _, t := range plan.Tags {
		before := "new"
		switch {
		case t.Before == t.After:
			before = "unchanged"
		case t.Before != "":
			before = "before: " + t.Before
		}
		if t.After == plan.Digest {
			tags = append(tags, t.Name+" ("+before+")")
		}
	}
	return fmt.Sprintf("%s %s from %s to %s: %s, %s with %s; tags: %s", verb, plan.Digest, plan.Source, plan.Target,
		words.Plural(len(plan.Nodes), "manifest"), words.Plural(plan.Blobs, "blob"), words.Size(plan.Bytes), strings.Join(tags, ", "))
}
