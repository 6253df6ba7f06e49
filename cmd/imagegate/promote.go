package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

func promoteCommand(p *program) *cli.Command {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "judge, print what would be copied, and write nothing"},
		&cli.StringFlag{Name: "if-target", Usage: "promote only if every tag is `absent|DIGEST` now"},
		&cli.StringFlag{Name: "attachments", Value: string(promote.AttachmentsAll), Usage: "copy `all|none` of the signatures, attestations and other referrers (default: all)"},
		&cli.StringFlag{Name: "rollback", Usage: "let a moving tag go back, for `REASON`, to a digest that it had before"},
		&cli.StringFlag{Name: "emergency", Usage: "promote although the policy denies the image, for `REASON`; only where the policy has promote.emergency"},
		&cli.StringFlag{Name: "emergency-by", Usage: "the `PERSON` who decides that, one whom the policy names"},
		&cli.StringFlag{Name: "emergency-until", Usage: "the last `DAY` of the emergency, such as 2027-01-31"},
		&cli.StringFlag{Name: "dotenv", Usage: "write IMAGEGATE_VERDICT, IMAGEGATE_DIGEST and IMAGEGATE_TARGET to `FILE`, for GitLab's artifacts:reports:dotenv"},
		&cli.StringSliceFlag{Name: "platform", Usage: "is refused: all platforms are judged and copied, and the digest of one `PLATFORM` is another"},
		evidenceFlag(),
	}
	flags = slices.Concat(policyFlags(), flags, givenFlags(), proofFlags(), attestFlags(), exploitedFlags(), workerFlags(), reportFlags(), databaseFlags(), layerCacheFlags(), networkFlags())
	return &cli.Command{
		Name:      "promote",
		Usage:     "judge an image and copy exactly what was judged",
		ArgsUsage: "SOURCE TARGET:TAG...",
		Description: `Judges every platform of SOURCE, an image in a registry. When it passes, it is
copied by its digest to each TARGET:TAG, with all platforms, attestations,
signatures and other referrers. The copy is compared with the source, and the tags
are set last. A promotion that was cut off can be run again.

  0  every tag names the judged digest, and everything that belongs to it is there
  1  the policy denies the image, or what is to be done with it; no tag was set
  2  there is no verdict, or the promotion did not finish; the report says which`,
		Flags:  flags,
		Action: p.judging(materialImages, runPromote),
	}
}

// promotion is what the command line asks for.
type promotion struct {
	source    string
	reference evidence.Reference // of source
	targets   []promotionTarget
	o         promote.Options
	dry       bool
	rollback  string
	emergency *gate.Emergency // nil when none is called
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
	if err := want.checkEmergency(run); err != nil {
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
	if run.given, err = readGiven(p, c, run, true); err != nil {
		return err
	}
	finished, err := judgeImages(p, c, run, o, nil, []string{want.source})
	if err != nil {
		return err
	}
	w := &promoter{promotion: want, setup: run, scan: o, attester: attester, run: finished}
	if decision := finished.Outcome(); decision == policy.Passed || decision == policy.Denied && want.emergency != nil {
		w.promote(c.Context)
	}
	w.attest(c.Context)
	attester.seal(c.Context, run, finished)
	return p.report(c.Context, run, finished)
}

// promotionOf reads the arguments and the flags about promotions.
func promotionOf(c *cli.Context) (*promotion, error) {
	if len(c.StringSlice("platform")) > 0 {
		return nil, usagef("imagegate promote has no --platform: the digest of one platform is another one, and what was tested would not be what runs").
			WithHint("leave it out: all platforms are judged and copied; or name the manifest of the platform by its digest as the source")
	}
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
	if t := w.o.IfTarget; t != "" && t != promote.Absent && image.CheckDigest(t) != nil {
		return nil, usagef("flag --if-target: %q is neither absent nor a digest", t)
	}
	var err error
	if w.reference, err = image.ParseReference(w.source); err != nil {
		return nil, usagef("%w", err)
	}
	if w.reference.Source != evidence.SourceRegistry {
		return nil, usagef("%s is not in a registry: only an image in a registry can be promoted by its digest", w.source).
			WithHint("push it to a registry first, for example with skopeo copy --preserve-digests, and promote it from there")
	}
	for _, arg := range args[1:] {
		if err := w.addTarget(arg); err != nil {
			return nil, err
		}
	}
	return w, w.readReasons(c)
}

// readReasons reads the flags that say why something unusual is to be done.
func (w *promotion) readReasons(c *cli.Context) error {
	w.rollback = c.String("rollback")
	by, until := c.String("emergency-by"), c.String("emergency-until")
	if !c.IsSet("emergency") {
		if by != "" || until != "" {
			return usagef("--emergency-by and --emergency-until are nothing without --emergency REASON")
		}
		return nil
	}
	const example = "--emergency REASON --emergency-by PERSON --emergency-until DAY, with a person and within the days that promote.emergency in the policy allows"
	if by == "" || until == "" {
		return usagef("an emergency needs the person who decides it and an end").WithHint("write %s", example)
	}
	day, err := time.Parse(time.DateOnly, until)
	if err != nil {
		return usagef("flag --emergency-until: %q is no day", until).WithHint("write it as 2027-01-31, within the days that promote.emergency in the policy allows")
	}
	w.emergency = &gate.Emergency{Reason: c.String("emergency"), By: by, Until: day}
	return nil
}

// checkEmergency compares an emergency with what the policy allows, before any work.
func (w *promotion) checkEmergency(s *setup) error {
	if w.emergency == nil {
		return nil
	}
	terms := s.policy.EmergencyTerms(w.reference, s.started)
	if terms == nil {
		return usagef("flag --emergency: the policy %s has no emergencies", s.source.Path).
			WithHint("the owner of the policy can add promote: {emergency: {by: [NAME], max-days: N}}, in the base where one is pinned")
	}
	if why := terms.Refuses(w.emergency.By, w.emergency.Until, s.started); why != "" {
		return usagef("flag --emergency: %s (%s)", why, terms.Position)
	}
	return nil
}

func (w *promotion) addTarget(arg string) error {
	t, err := image.ParseReference(arg)
	switch {
	case err != nil:
		return usagef("%w", err)
	case t.Source != evidence.SourceRegistry:
		return usagef("the target %s is not in a registry", arg).WithHint("name it as REGISTRY/REPOSITORY:TAG")
	case t.Tag == "" || t.Digest != "":
		return usagef("the target %s has a digest or no tag", arg).WithHint("name it as REGISTRY/REPOSITORY:TAG; its digest is that of the source")
	}
	i := slices.IndexFunc(w.targets, func(have promotionTarget) bool { return have.repository == t.Name })
	if i < 0 {
		i = len(w.targets)
		w.targets = append(w.targets, promotionTarget{repository: t.Name})
	}
	if !slices.Contains(w.targets[i].tags, t.Tag) {
		w.targets[i].tags = append(w.targets[i].tags, t.Tag)
	}
	return nil
}

// judgedDigest is the digest that the source named when it was judged: of the index
// where there is one. All platforms have the same.
func judgedDigest(results []gate.Result) (string, error) {
	digest := ""
	for i := range results {
		e := results[i].Evidence
		if e == nil {
			return "", errors.New("a platform was not looked at")
		}
		one := e.RootDigest()
		if one == "" || digest != "" && digest != one {
			return "", fmt.Errorf("the platforms are not of one digest: %s and %s", digest, one)
		}
		digest = one
	}
	return digest, nil
}
