package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestTrouble: a pod says in one line why it does not run, and a start that takes its
// time is no trouble.
func TestTrouble(t *testing.T) {
	waiting := func(reason, message string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
	}
	crash := waiting("CrashLoopBackOff", "back-off 20s restarting failed container")
	crash.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 3, Message: "no database"}
	for want, p := range map[string]*corev1.Pod{
		"": {Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ContainerCreating", "")}}},
		"container web: ImagePullBackOff: no such image":                           {Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ImagePullBackOff", "no such\nimage")}}},
		"container web: CrashLoopBackOff, exit code 3: no database":                {Status: corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{crash}}},
		"Unschedulable: 0/2 nodes are available":                                   {Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/2 nodes are available"}}}},
		"container web: ErrImagePull: " + strings.Repeat("x", maxTrouble-29) + "…": {Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ErrImagePull", strings.Repeat("x", 500))}}},
	} {
		kept, err := keepPod(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := kept.(*pod).trouble; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
