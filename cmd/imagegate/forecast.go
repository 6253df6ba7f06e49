package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

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
			&cli.IntFlag{Name: "days", Value: forecastDays, Usage: "look `N` days ahead (default: 90)"}, trustedRootFlag(), formatFlag(), timeoutFlag(),
		}, givenFlags(), exploitedFlags(), cacheFlags()),
		Action: p.judging(materialSaved, runForecast),
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
	// Release is about the documents of the evidence, nil for none.
	Release *forecastRelease `json:"release"`
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

type forecastRelease struct {
	Verdict string           `json:"verdict"` // now
	Changes []forecastChange `json:"changes"`
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
	Workload string          `json:"workload"` // "" for a rule about an image, or about documents as a whole
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
	l, err := judgedLater(p, c, c.Args().Slice())
	if err != nil {
		return err
	}
	r := &forecastReport{
		From: p.now().UTC().Truncate(time.Second), Days: days, Policy: l.source.Path, Images: []forecastImage{}, Missing: l.missing, Unknown: forecastUnknown,
	}
	for i := range l.images {
		if err := c.Context.Err(); err != nil {
			return fmt.Errorf("forecast: %w", err)
		}
		r.Images = append(r.Images, l.forecastOf(&l.images[i], r.From, days))
	}
	if l.release != nil {
		now, changes := forecast.OfRelease(l.policy, &l.release.Documents, l.pointers(), r.From, days)
		r.Release = &forecastRelease{Verdict: now.String(), Changes: forecastChanges(changes)}
	}
	if err := printAs(p, c, r, forecastAsText); err != nil {
		return err
	}
	if len(l.missing) > 0 {
		return &outcomeError{policy.Undecided}
	}
	return nil
}

func (l *later) forecastOf(img *evidence.Image, now time.Time, days int) forecastImage {
	v, changes := forecast.By(func(moment time.Time) policy.Verdict {
		return l.inRelease(l.policy.Evaluate(img, moment), img)
	}, now, days)
	return forecastImage{
		Reference: img.Reference.Asked, Digest: img.ID(), Platform: img.Platform, Verdict: v.Decision.String(), Changes: forecastChanges(changes),
	}
}

func forecastChanges(changes []forecast.Change) []forecastChange {
	out := []forecastChange{}
	for i := range changes {
		c := &changes[i]
		x := forecastChange{At: c.At, Before: c.Before.String(), After: c.After.String(), Rules: []forecastRule{}, Findings: []forecastFinding{}}
		for _, r := range c.Rules {
			x.Rules = append(x.Rules, forecastRule{r.After.Rule, r.Workload, r.Before.String(), r.After.Result.String(), r.After.Message, r.After.Position})
		}
		for _, f := range c.Findings {
			j := &f.After
			x.Findings = append(x.Findings, forecastFinding{j.ID, j.Package.Name, j.Package.Version, f.Before, j.Class, j.Reason})
		}
		out = append(out, x)
	}
	return out
}

// forecastFindings is how many findings of a change the text lists.
const forecastFindings = 10

func forecastAsText(p *program, r *forecastReport) error {
	var b strings.Builder
	for i := range r.Images {
		img := &r.Images[i]
		fmt.Fprintf(&b, "%s  %s  %s\n", terminal(img.Reference), terminal(img.Digest), terminal(img.Platform))
		r.changesAsText(&b, img.Verdict, img.Changes)
	}
	if r.Release != nil {
		b.WriteString("documents and workloads\n")
		r.changesAsText(&b, r.Release.Verdict, r.Release.Changes)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(&b, "%s\n  no forecast: %s\n\n", terminal(m.Reference), terminal(m.Reason))
	}
	fmt.Fprintf(&b, "From %s for %s, by %s. Hypothetical: %s.\n", r.From.Format("2006-01-02 15:04 UTC"), words.Plural(r.Days, "day"), terminal(r.Policy), r.Unknown)
	return p.print("%s", b.String())
}

func (r *forecastReport) changesAsText(b *strings.Builder, now string, changes []forecastChange) {
	fmt.Fprintf(b, "  %-20s  %s\n", "now", shout(now))
	for k := range changes {
		forecastChangeAsText(b, &changes[k])
	}
	if len(changes) == 0 {
		fmt.Fprintf(b, "  nothing changes within %s\n", words.Plural(r.Days, "day"))
	}
	b.WriteString("\n")
}

func forecastChangeAsText(b *strings.Builder, c *forecastChange) {
	verdict := shout(c.After)
	if c.Before == c.After {
		verdict = "still " + verdict
	}
	fmt.Fprintf(b, "  %-20s  %s\n", dateText(c.At), verdict)
	for _, r := range c.Rules {
		about := ""
		if r.Workload != "" {
			about = terminal(r.Workload) + ": "
		}
		fmt.Fprintf(b, "    %s%s: %s -> %s: %s%s\n", about, r.Rule, r.Before, r.After, terminal(r.Message), placeText(r.Position))
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
