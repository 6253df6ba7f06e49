package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/forecast"
	"github.com/imagegate/imagegate/policy/words"
)

// forecastUnknown is what no forecast can know.
const forecastUnknown = "advisories that will be published, and fixes, are not known: every day can bring new findings"

// forecastDays is how far a forecast looks by default.
const forecastDays = 90

func forecastCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "forecast",
		Usage:     "tell on which days the verdict about saved evidence changes",
		ArgsUsage: "EVIDENCE...",
		Description: `Tells when the verdict about an image changes although the image does not, and
why: an exception ends, grace runs out, support ends, the image or the database
grows too old, or a value of the policy comes into force. New advisories are not
known. The exit code is 0 when every image could be judged, whatever the verdict.`,
		Flags: slices.Concat(policyFlags(), []cli.Flag{
			&cli.IntFlag{Name: "days", Value: forecastDays, Usage: "look `N` days ahead (default: 90)"}, baselineFlag(), formatFlag(), timeoutFlag(),
		}, exploitedFlags(), cacheFlags()),
		Action: p.action(runForecast),
	}
}

func formatFlag() cli.Flag {
	return &cli.StringFlag{Name: "format", Value: "text", Usage: "print `NAME`: text (default) or json"}
}

// checkFormat refuses a value of formatFlag that is neither text nor json.
func checkFormat(c *cli.Context) error {
	if f := c.String("format"); f != "text" && f != "json" {
		return usagef("flag --format: %q is no format", f).WithHint("write text or json")
	}
	return nil
}

// printAs prints an answer in the format of formatFlag.
func printAs[T any](p *program, c *cli.Context, answer T, asText func(*program, T) error) error {
	if c.String("format") == "json" {
		return p.printJSON(answer)
	}
	return asText(p, answer)
}

// forecastReport is the answer of the command, for people and for programs.
type forecastReport struct {
	From    time.Time         `json:"from"`
	Days    int               `json:"days"`
	Policy  string            `json:"policy"`
	Images  []forecastImage   `json:"images"`
	Missing []forecastMissing `json:"missing"` // images that were never seen
	// Unknown says what the forecast does not know.
	Unknown string `json:"unknown"`
}

type forecastImage struct {
	Reference string           `json:"reference"`
	Digest    string           `json:"digest"`
	Platform  string           `json:"platform"`
	Verdict   string           `json:"verdict"` // now
	Changes   []forecastChange `json:"changes"`
}

type forecastMissing struct {
	Reference string `json:"reference"`
	Reason    string `json:"reason"`
}

type forecastChange struct {
	At       time.Time         `json:"at"`
	Before   string            `json:"before"`
	After    string            `json:"after"`
	Rules    []forecastRule    `json:"rules"`
	Findings []forecastFinding `json:"findings"`
}

type forecastRule struct {
	Rule     string          `json:"rule"`
	Before   string          `json:"before"`
	After    string          `json:"after"`
	Message  string          `json:"message"`
	Position policy.Position `json:"position"`
}

type forecastFinding struct {
	ID      string       `json:"id"`
	Package string       `json:"package"`
	Version string       `json:"version"`
	Before  policy.Class `json:"before"`
	After   policy.Class `json:"after"`
	Reason  string       `json:"reason"`
}

// runForecast is the command "forecast".
func runForecast(p *program, c *cli.Context) error {
	if !c.Args().Present() {
		return usagef("imagegate forecast needs a file of evidence").WithHint("imagegate check IMAGE --evidence FILE writes one")
	}
	days := c.Int("days")
	if days < 1 || days > forecast.MaxDays {
		return usagef("flag --days: %d is not between 1 and %d", days, forecast.MaxDays).WithHint("write --days 90")
	}
	if err := checkFormat(c); err != nil {
		return err
	}
	pol, source, images, missing, err := judgedLater(p, c, c.Args().Slice())
	if err != nil {
		return err
	}
	r := &forecastReport{
		From: p.now().UTC().Truncate(time.Second), Days: days, Policy: source.Path, Images: []forecastImage{}, Missing: missing, Unknown: forecastUnknown,
	}
	for i := range images {
		if err := c.Context.Err(); err != nil {
			return fmt.Errorf("forecast: %w", err)
		}
		r.Images = append(r.Images, forecastOf(pol, &images[i], r.From, days))
	}
	if err := printAs(p, c, r, forecastAsText); err != nil {
		return err
	}
	if len(missing) > 0 {
		return &outcomeError{policy.Undecided}
	}
	return nil
}

// judgedLater reads what forecast and explain need: the policy and saved evidence.
func judgedLater(p *program, c *cli.Context, paths []string) (*policy.Policy, gate.PolicySource, []evidence.Image, []forecastMissing, error) {
	path, err := policyPath(p, c.String("policy"))
	if err == nil {
		err = checkReadOnce(p, append([]string{path}, paths...)...)
	}
	if err != nil {
		return nil, gate.PolicySource{}, nil, nil, err
	}
	pol, source, err := choosePolicy(p, c, c.String("policy"), demands{c.String("require-policy-digest"), c.String("require-base-policy")})
	if err != nil {
		return nil, source, nil, nil, err
	}
	warn := progress.New(p.stderr, false, p.env.get).Warn
	all, err := readAllSaved(c.Context, paths, shard{}, func(path string) func(*saved.Release) error {
		return func(*saved.Release) error {
			warn(path + " holds documents, such as manifests: this is about their images alone, and imagegate eval judges the whole release")
			return nil
		}
	})
	if err != nil {
		return nil, source, nil, nil, err
	}
	feeds, err := readFeeds(p, c, pol)
	if err != nil {
		return nil, source, nil, nil, err
	}
	base, err := readBaseline(p, c, &setup{policy: pol}, false)
	if err != nil {
		return nil, source, nil, nil, err
	}
	images, lost := splitSaved(all)
	base.attach(images)
	for i := range images {
		annotate(feeds, &images[i])
	}
	missing := []forecastMissing{}
	for i := range lost {
		missing = append(missing, forecastMissing{lost[i].Ref, lost[i].Err.Error()})
	}
	return pol, source, images, missing, nil
}

func forecastOf(pol *policy.Policy, img *evidence.Image, now time.Time, days int) forecastImage {
	v, changes := forecast.Of(pol, img, now, days)
	out := forecastImage{
		Reference: img.Reference.Asked, Digest: img.ID(), Platform: img.Platform, Verdict: v.Decision.String(), Changes: []forecastChange{},
	}
	for i := range changes {
		c := &changes[i]
		x := forecastChange{At: c.At, Before: c.Before.String(), After: c.After.String(), Rules: []forecastRule{}, Findings: []forecastFinding{}}
		for _, r := range c.Rules {
			x.Rules = append(x.Rules, forecastRule{r.After.Rule, r.Before.String(), r.After.Result.String(), r.After.Message, r.After.Position})
		}
		for _, f := range c.Findings {
			j := &f.After
			x.Findings = append(x.Findings, forecastFinding{j.ID, j.Package.Name, j.Package.Version, f.Before, j.Class, j.Reason})
		}
		out.Changes = append(out.Changes, x)
	}
	return out
}

// forecastFindings is how many findings of a change the text lists.
const forecastFindings = 10

func forecastAsText(p *program, r *forecastReport) error {
	var b strings.Builder
	for i := range r.Images {
		img := &r.Images[i]
		fmt.Fprintf(&b, "%s  %s  %s\n  %-20s  %s\n", terminal(img.Reference), terminal(img.Digest), terminal(img.Platform), "now", shout(img.Verdict))
		for k := range img.Changes {
			forecastChangeAsText(&b, &img.Changes[k])
		}
		if len(img.Changes) == 0 {
			fmt.Fprintf(&b, "  nothing changes within %s\n", words.Plural(r.Days, "day"))
		}
		b.WriteString("\n")
	}
	for _, m := range r.Missing {
		fmt.Fprintf(&b, "%s\n  no forecast: %s\n\n", terminal(m.Reference), terminal(m.Reason))
	}
	fmt.Fprintf(&b, "From %s for %s, by %s. Hypothetical: %s.\n", r.From.Format("2006-01-02 15:04 UTC"), words.Plural(r.Days, "day"), terminal(r.Policy), r.Unknown)
	return p.print("%s", b.String())
}

func forecastChangeAsText(b *strings.Builder, c *forecastChange) {
	verdict := shout(c.After)
	if c.Before == c.After {
		verdict = "still " + verdict
	}
	fmt.Fprintf(b, "  %-20s  %s\n", dateText(c.At), verdict)
	for _, r := range c.Rules {
		fmt.Fprintf(b, "    %s: %s -> %s: %s%s\n", r.Rule, r.Before, r.After, terminal(r.Message), placeText(r.Position))
	}
	for i, f := range c.Findings {
		if i == forecastFindings {
			fmt.Fprintf(b, "    and %s more: use --format json\n", words.Plural(len(c.Findings)-i, "finding"))
			break
		}
		fmt.Fprintf(b, "    %s in %s %s: %s -> %s: %s\n", terminal(f.ID), terminal(f.Package), terminal(f.Version), f.Before, f.After, terminal(f.Reason))
	}
}

// dateText leaves the hour out where it is midnight.
func dateText(t time.Time) string {
	if t.Equal(t.Truncate(words.Day)) {
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02 15:04 UTC")
}

// shout is a verdict as people read it.
func shout(verdict string) string { return strings.ToUpper(strings.ReplaceAll(verdict, "-", " ")) }
