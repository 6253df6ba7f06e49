package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image/remote"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// promoter carries out a promotion and writes what became of it into the run.
type promoter struct {
	*promotion
	setup    *setup
	scan     *scanOptions
	attester *attester // nil when nothing is to be signed
	run      *gate.Run
	ready    []*promote.Promotion // by target
	tried    bool                 // something was copied, or was to be
}

// promote plans the promotion, asks the rules about it, and copies.
func (w *promoter) promote(ctx context.Context) {
	if err := w.prepare(ctx); err != nil {
		w.stop(fmt.Errorf("%w; nothing was written", err))
		return
	}
	if err := w.judge(ctx); err != nil {
		w.stop(err)
		return
	}
	switch {
	case !w.allowed():
	case w.dry:
		w.run.Promotion.DryRun = true
	default:
		w.copy(ctx)
	}
	w.setup.progress.Finish()
}

// stop takes back a pass and says why. A denial stays, and says why it was not
// excused.
func (w *promoter) stop(err error) {
	w.setup.progress.Finish()
	if w.run.Promotion != nil {
		w.refuse(err.Error())
	}
	w.run.Unpromoted(err)
}

func (w *promoter) refuse(why string) {
	for i := range w.run.Promotion.Targets {
		if t := &w.run.Promotion.Targets[i]; !t.Done && t.Error == "" {
			t.Error = why
		}
	}
}

// prepare finds out what belongs to the judged digest and what every target has now.
// All targets are looked at before one is written.
func (w *promoter) prepare(ctx context.Context) error {
	digest, err := judgedDigest(w.run.Results)
	if err != nil {
		return err
	}
	w.run.Promotion = &gate.Promotion{Digest: digest, Rollback: w.rollback}
	if w.run.Outcome() == policy.Denied {
		w.run.Promotion.Emergency = w.emergency
	}
	for _, t := range w.targets {
		w.run.Promotion.Targets = append(w.run.Promotion.Targets, gate.PromotionTarget{Target: t.repository})
	}
	source, err := w.scan.connection.client.Repository(w.source)
	if err != nil {
		return err
	}
	w.run.Promotion.Source = source.Name()
	for i, t := range w.targets {
		one, err := w.prepareTarget(ctx, source, digest, t)
		if err != nil {
			return err
		}
		w.ready = append(w.ready, one)
		if i == 0 { // it is the same source for every target
			w.run.Notes = append(w.run.Notes, notesOfGone(&one.Plan)...)
		}
		describe(&w.run.Promotion.Targets[i], &one.Plan)
	}
	return nil
}

func (w *promoter) prepareTarget(ctx context.Context, source *remote.Repository, digest string, t promotionTarget) (*promote.Promotion, error) {
	target, err := w.scan.connection.client.Repository(t.repository)
	if err != nil {
		return nil, err
	}
	w.setup.progress.Step("looking at " + t.repository)
	o := w.o
	o.Jobs = 4
	o.Observe = func(e promote.Event) {
		w.setup.progress.Step(fmt.Sprintf("%s: %s %d of %d", t.repository, e.What, e.Done, e.All))
	}
	o.Record = w.record()
	if sign := w.attester.before(w.run); sign != nil {
		o.BeforeTags = func(ctx context.Context) error { return sign(ctx, target.Name()) }
	}
	return promote.Prepare(ctx, source, digest, target, t.tags, o)
}

// record is what a promotion leaves at the target. It is written where it is needed:
// to know later what a moving tag had before, and that there was an emergency.
func (w *promoter) record() *promote.Record {
	p := w.run.Promotion
	if !w.setup.policy.AsksMovingTags() && p.Emergency == nil {
		return nil
	}
	r := &promote.Record{At: w.setup.started, Rollback: w.rollback}
	if e := p.Emergency; e != nil {
		r.Emergency, r.By, r.Until = e.Reason, e.By, e.Until.Format(time.DateOnly)
	}
	return r
}

// notesOfGone tells what the source lists and no longer has, as after a retention policy
// has deleted it.
func notesOfGone(plan *promote.Plan) []string {
	var notes []string
	for _, g := range plan.Gone[:min(len(plan.Gone), maxListed)] {
		notes = append(notes, fmt.Sprintf("%s lists %s as attached to %s and no longer has it: it could not be copied", plan.Source, g.Digest, g.Subject))
	}
	if more := len(plan.Gone) - maxListed; more > 0 {
		notes = append(notes, fmt.Sprintf("%s lists %s more that it no longer has", plan.Source, words.Plural(more, "attachment")))
	}
	return notes
}

// describe writes a plan into the run.
func describe(t *gate.PromotionTarget, plan *promote.Plan) {
	t.Target, t.Blobs, t.Bytes = plan.Target, plan.Blobs, plan.Bytes
	t.Nodes, t.Tags = nil, nil
	for _, n := range plan.Nodes {
		t.Nodes = append(t.Nodes, gate.PromotedManifest{MediaType: n.MediaType, Digest: n.Digest, Size: n.Size, Why: n.Why, Parent: n.Parent})
	}
	for _, tag := range plan.Tags {
		t.Tags = append(t.Tags, gate.PromotedTag(tag))
	}
}

// judge asks the rules about the promotion.
func (w *promoter) judge(ctx context.Context) error {
	var facts []evidence.Promotion
	for i, t := range w.targets {
		one, err := w.facts(ctx, w.ready[i], t)
		if err != nil {
			return err
		}
		facts = append(facts, one)
	}
	for i := range w.run.Results {
		w.run.Results[i].Evidence.Promotions = facts
	}
	g := &gate.Gate{Policy: w.setup.policy, Now: func() time.Time { return w.setup.started }}
	w.run.Results = g.Rejudge(ctx, w.run.Results)
	return nil
}

// facts collects what the rules have to know of a target.
func (w *promoter) facts(ctx context.Context, ready *promote.Promotion, t promotionTarget) (evidence.Promotion, error) {
	f := evidence.Promotion{Target: ready.Plan.Target, Rollback: w.rollback}
	for _, set := range ready.ImageTags() {
		tag := evidence.Tag{Name: set.Name, Before: set.Before}
		if set.Before != "" && set.Before != set.After && w.setup.policy.AsksMovingTags() {
			w.lookBack(ctx, t.repository, &tag)
			if w.rollback != "" {
				var err error
				if tag.Had, err = ready.Had(ctx, set); err != nil {
					return f, fmt.Errorf("what tag %s of %s named before is not known: %w", set.Name, f.Target, err)
				}
			}
		}
		f.Tags = append(f.Tags, tag)
	}
	return f, nil
}

// lookBack reads what the image says of its age that the tag names now.
func (w *promoter) lookBack(ctx context.Context, repository string, tag *evidence.Tag) {
	resolver, err := w.scan.resolver(nil)
	if err != nil {
		tag.Problem = err.Error()
		return
	}
	found, err := resolver.Resolve(ctx, repository+"@"+tag.Before)
	if err != nil {
		tag.Problem = "what the tag names now could not be read: " + err.Error()
		return
	}
	for i := range found.Targets {
		img := &found.Targets[i].Image
		if img.Config == nil {
			continue
		}
		tag.Platforms = append(tag.Platforms, evidence.TagPlatform{
			Platform: img.Platform, Version: img.Config.Labels[evidence.LabelVersion], Created: img.Config.Created,
		})
	}
}

// allowed reports whether the image may be copied now that the rules about the
// promotion were asked too.
func (w *promoter) allowed() bool {
	switch outcome := w.run.Outcome(); {
	case outcome == policy.Passed:
		return true
	case outcome == policy.Denied && w.run.Promotion.Emergency != nil:
		for i := range w.run.Results {
			r := &w.run.Results[i]
			why := r.Verdict.NotCovered()
			if r.Err != nil {
				why = "there is no verdict"
			}
			if why != "" {
				w.refuse("the emergency does not cover " + words.Quote(r.Ref) + " " + r.Evidence.Platform + ": " + why)
				return false
			}
		}
		return true
	}
	w.refuse("the rules of the policy refuse it")
	return false
}

// copy copies to one target after the other.
func (w *promoter) copy(ctx context.Context) {
	w.tried = true
	for i, one := range w.ready {
		t := &w.run.Promotion.Targets[i]
		err := one.Run(ctx)
		describe(t, &one.Plan)
		if err == nil && ctx.Err() != nil {
			err = errors.New("the run was ended")
		}
		if err != nil {
			t.Error = err.Error()
			w.refuse("it was not tried, because the promotion to " + t.Target + " did not finish")
			w.stop(err)
			return
		}
		if one.RecordProblem != "" {
			w.run.Notes = append(w.run.Notes, "no record of the promotion could be attached in "+t.Target+
				", so a later --rollback will not know that its tags named "+w.run.Promotion.Digest+": "+one.RecordProblem)
		}
		t.Done = true
		w.setup.progress.Finish()
		w.setup.progress.Tell("promoted " + w.run.Promotion.Digest + " to " + t.Target)
	}
}

// attest completes what is signed about the image. Where it was copied, the decision
// was signed before the tags were set. Where it fails, a target that has it already
// gets the decision that it fails.
func (w *promoter) attest(ctx context.Context) {
	switch {
	case w.attester == nil || !w.attester.attests:
	case w.tried:
		w.attester.settle(w.setup, w.run, nil)
	case w.run.Outcome() == policy.Denied && !w.dry:
		w.attester.settle(w.setup, w.run, w.attestFailed(ctx))
	}
}

func (w *promoter) attestFailed(ctx context.Context) error {
	digest, err := judgedDigest(w.run.Results)
	if err != nil {
		return err
	}
	var problems []error
	for _, t := range w.targets {
		target, err := w.scan.connection.client.Repository(t.repository)
		if err == nil {
			_, err = target.Manifest(ctx, digest)
		}
		if err == nil {
			err = w.attester.run(ctx, w.run, target.Name())
		}
		if err != nil && !errors.Is(err, promote.ErrNotFound) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}
