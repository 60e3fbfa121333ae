package cli

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// marks is the clock of an operation, in its order.
var marks = []federation.Mark{
	federation.T0Fault, federation.T1MissedBeat, federation.T2Suspect, federation.T3Verdict,
	federation.T4Decision, federation.T5Shifted, federation.T6ServedElse, federation.T7FirstReady,
	federation.T8CapacityBack, federation.T9Steady, federation.T10Data, federation.T11Restored,
}

// printReport writes the report of an operation for people.
func printReport(w io.Writer, o *gatewayv1.Operation) {
	title := strings.TrimSpace(o.GetVerb() + " " + o.GetLevel())
	fmt.Fprintf(w, "%s of %s: %s\n", title, o.GetScope(), or(o.GetVerdict(), o.GetState()))
	facts := [][]string{{"id", o.GetId()}, {"started", o.GetCreatedAt().AsTime().Format(time.RFC3339)}}
	if o.GetReason() != "" {
		facts = append(facts, []string{"reason", o.GetReason()})
	}
	if len(o.GetMembers()) > 0 {
		facts = append(facts, []string{"members", strings.Join(o.GetMembers(), ", ")})
	}
	if a := o.GetAchieved(); a != nil {
		facts = append(facts,
			[]string{"RTO", fmt.Sprintf("%s achieved, %s objective", measured(a.GetRtoMs()), promised(o.GetObjective().GetRtoMs()))},
			[]string{"downtime", measured(a.GetDowntimeMs())},
			[]string{"detection", measured(a.GetDetectMs())})
	}
	section(w, "", facts...)
	section(w, "Marks", markRows(o.GetMarks())...)
	section(w, "Workloads", workloadRows(o.GetWorkloads())...)
}

// markRows has a line for each mark that was reached, with its distance from
// T0 and its time of day in UTC.
func markRows(reached map[string]*timestamppb.Timestamp) [][]string {
	begin := reached[string(federation.T0Fault)]
	var rows [][]string
	for _, mark := range marks {
		at := reached[string(mark)]
		if at == nil {
			continue
		}
		distance := none
		if begin != nil {
			distance = fmt.Sprintf("%+.2fs", at.AsTime().Sub(begin.AsTime()).Seconds())
		}
		rows = append(rows, []string{string(mark), distance, at.AsTime().Format("15:04:05.000"), federation.MarkMeaning[mark]})
	}
	return rows
}

func workloadRows(all []*gatewayv1.WorkloadReport) [][]string {
	if len(all) == 0 {
		return nil
	}
	rows := [][]string{{"WORKLOAD", "VERDICT", "RTO", "OBJECTIVE", "DOWNTIME", "FROM", "TO", "NOTE"}}
	for _, r := range all {
		rows = append(rows, []string{
			r.GetWorkload(), or(r.GetVerdict(), none), measured(r.GetAchieved().GetRtoMs()), promised(r.GetObjective().GetRtoMs()),
			measured(r.GetAchieved().GetDowntimeMs()), or(strings.Join(r.GetFrom(), ","), none), or(strings.Join(r.GetTo(), ","), none), r.GetReason(),
		})
	}
	return rows
}

// The elements of JUnit's XML, as far as test reports of CI systems read them.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"` // seconds
		At       string      `xml:"timestamp,attr,omitempty"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
	}
)

// printJUnit writes a drill as a test suite: the drill itself is the first case,
// each workload one more. What is inconclusive was skipped.
func printJUnit(w io.Writer, o *gatewayv1.Operation) error {
	suite := junitSuite{Name: "hansa drill " + o.GetScope() + " " + o.GetLevel(), Time: seconds(o.GetAchieved().GetRtoMs())}
	if o.GetCreatedAt() != nil {
		suite.At = o.GetCreatedAt().AsTime().Format(time.RFC3339)
	}
	suite.add("drill "+o.GetId(), o.GetVerdict(), o.GetReason(), o.GetAchieved().GetRtoMs())
	for _, r := range o.GetWorkloads() {
		suite.add(r.GetWorkload(), r.GetVerdict(), r.GetReason(), r.GetAchieved().GetRtoMs())
	}
	data, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report as JUnit XML: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, data)
	return err
}

func (s *junitSuite) add(name, verdict, reason string, rtoMs float64) {
	c := junitCase{Class: s.Name, Name: name, Time: seconds(rtoMs)}
	switch verdict {
	case string(federation.Pass):
	case string(federation.Fail):
		c.Failure = &junitMessage{or(reason, "the objective was missed")}
		s.Failures++
	default:
		c.Skipped = &junitMessage{or(reason, "inconclusive")}
		s.Skipped++
	}
	s.Tests++
	s.Cases = append(s.Cases, c)
}

func seconds(ms float64) string {
	return fmt.Sprintf("%.3f", max(0, ms)/1000)
}
