package kube

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// harmless are the reasons for which containers wait in every start.
var harmless = []string{"", "ContainerCreating", "PodInitializing"}

// maxTrouble bounds the text of one trouble, in bytes; kubelets quote whole answers of
// registries.
const maxTrouble = 160

// reasonOf says in a word why a container does not run, or "".
func reasonOf(c corev1.ContainerStatus) string {
	if w := c.State.Waiting; w != nil && !slices.Contains(harmless, w.Reason) {
		return w.Reason
	}
	if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
		return cmp.Or(t.Reason, "Error")
	}
	return ""
}

// troubleOf says in one line why a pod does not run as it should, or "": its first
// container that does not, or the scheduler's words. The line has no name of the pod,
// so that those of equal pods are equal.
func troubleOf(p *corev1.Pod) string {
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			if reason := reasonOf(c); reason != "" {
				return clip(fmt.Sprintf("container %s: %s%s", c.Name, reason, detail(c)))
			}
		}
	}
	if !isUnscheduled(p) {
		return ""
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return clip("Unschedulable: " + c.Message)
		}
	}
	return ""
}

// detail says how a container ended last, or what it waits for.
func detail(c corev1.ContainerStatus) string {
	if t := cmp.Or(c.State.Terminated, c.LastTerminationState.Terminated); t != nil {
		if t.ExitCode == 0 {
			return ""
		}
		return fmt.Sprintf(", exit code %d", t.ExitCode) + strings.TrimSuffix(": "+t.Message, ": ")
	}
	if w := c.State.Waiting; w != nil && w.Message != "" {
		return ": " + w.Message
	}
	return ""
}

func clip(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxTrouble {
		text = strings.ToValidUTF8(text[:maxTrouble], "") + "…"
	}
	return text
}

// Troubles says why pods of the object do not run, most frequent reason first: "2 pods:
// container web: CrashLoopBackOff, exit code 1".
func (w *Watch) Troubles(r Ref) []string {
	pods, err := w.pods.GetIndexer().ByIndex(troubled, makerKey(r.Kind, r.Namespace, r.Name))
	if err != nil {
		return nil // the index is not there yet
	}
	counts := map[string]int{}
	for _, o := range pods {
		if p, ok := o.(*pod); ok {
			counts[p.trouble]++
		}
	}
	lines := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, line := range lines {
		pods := "1 pod"
		if n := counts[line]; n > 1 {
			pods = fmt.Sprintf("%d pods", n)
		}
		lines[i] = pods + ": " + line
	}
	return lines
}

// AllTroubles maps what made pods that do not run as they should to a digest of why, so
// that two looks can be compared.
func (w *Watch) AllTroubles() map[string]string {
	out := map[string]string{}
	for _, maker := range w.pods.GetIndexer().ListIndexFuncValues(troubled) {
		pods, err := w.pods.GetIndexer().ByIndex(troubled, maker)
		if err != nil {
			continue
		}
		var lines []string
		for _, o := range pods {
			if p, ok := o.(*pod); ok {
				lines = append(lines, p.trouble)
			}
		}
		slices.Sort(lines)
		if len(lines) > 0 {
			out[maker] = strings.Join(lines, "\n")
		}
	}
	return out
}
