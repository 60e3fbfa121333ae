package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// logFlags are what the user narrowed the logs to.
type logFlags struct {
	follow    bool
	members   []string
	container string
	since     time.Duration
	tail      int
}

func (a *app) logsCommand() *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use:   "logs NS/NAME",
		Short: "The logs of all replicas of a workload in all members",
		Long: `Print what the containers of a workload wrote, in every member where it is; each line
begins with member/pod, and the container when there are several. With -f it goes on,
through restarts, new replicas and a failover to other members.`,
		Example:           "  hansa logs shop/web -f --since 10m\n  hansa logs shop/web --member tokyo --tail 20",
		Args:              oneKey("workload"),
		ValidArgsFunction: a.completeWorkloads(),
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on until interrupted")
	flags.StringSliceVar(&f.members, "member", nil, "only these members")
	flags.StringVarP(&f.container, "container", "c", "", "only this container")
	flags.DurationVar(&f.since, "since", 0, "only what is not older")
	flags.IntVar(&f.tail, "tail", -1, "at most so many of the last lines of each container (default: all)")
	cmd.RunE = a.asking(func(c call, args []string) error {
		k, err := key(args[0])
		if err != nil {
			return err
		}
		api, err := a.memberAPI(cmd.Context())
		if err != nil {
			return err
		}
		l := &logs{call: c, api: api, key: k, flags: f, out: cmd.OutOrStdout(), followed: map[string]bool{}, told: map[string]string{}}
		return l.run(cmd.Context())
	})
	return cmd
}

// logs is one run of the command.
type logs struct {
	call
	api   *memberAPI
	key   federation.Key
	flags logFlags

	mu       sync.Mutex
	out      io.Writer
	followed map[string]bool   // member/pod/container that are read, or were read to their end
	told     map[string]string // the last complaint about a member, printed once in a row
	running  sync.WaitGroup
}

// lookEvery is how often new members, pods and containers are looked for.
const lookEvery = time.Second

func (l *logs) run(ctx context.Context) error {
	defer l.running.Wait()
	for first := true; ; first = false {
		err := l.look(ctx)
		switch {
		case err != nil && (first || !l.flags.follow):
			return l.suggestWorkload(l.key.String(), err)
		case err != nil:
			l.complain("the workload", err)
		}
		if !l.flags.follow {
			l.running.Wait()
			return l.outcome()
		}
		if !pause(ctx, lookEvery) {
			return ctx.Err()
		}
	}
}

// outcome is an error when nothing could be read, and something complained.
func (l *logs) outcome() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.followed) == 0 && len(l.told) == 0 {
		fmt.Fprintf(l.cmd.ErrOrStderr(), "no pods of %s\n", l.key)
	}
	if len(l.told) > 0 {
		return errors.New("the logs are not complete")
	}
	return nil
}

// look begins to read every container that is not read yet.
func (l *logs) look(ctx context.Context) error {
	answer, err := l.Workloads.GetWorkload(ctx, &gatewayv1.GetWorkloadRequest{Namespace: l.key.Namespace, Name: l.key.Name})
	if err != nil {
		return err
	}
	for _, m := range answer.GetWorkload().GetStatus().GetMembers() {
		name := m.GetMember()
		if len(l.flags.members) > 0 && !slices.Contains(l.flags.members, name) {
			continue
		}
		pods, err := l.podsOf(ctx, name, answer.GetWorkload())
		if err != nil {
			l.complain(name, err)
			continue
		}
		l.settle(name)
		for _, p := range pods {
			l.begin(ctx, name, p)
		}
	}
	return nil
}

// begin reads the containers of a pod that have started.
func (l *logs) begin(ctx context.Context, member string, p pod) {
	for _, s := range p.Status.ContainerStatuses {
		started := s.State.Waiting == nil || s.LastState.Terminated != nil
		if !started || l.flags.container != "" && s.Name != l.flags.container {
			continue
		}
		t := tail{member: member, pod: p, container: s.Name, prefix: member + "/" + p.Metadata.Name}
		if len(p.Status.ContainerStatuses) > 1 {
			t.prefix += "/" + s.Name
		}
		if id := member + "/" + p.Metadata.UID + "/" + s.Name; l.claim(id) {
			l.running.Go(func() { l.read(ctx, t) })
		}
	}
}

// claim reports whether nobody reads that yet.
func (l *logs) claim(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	had := l.followed[id]
	l.followed[id] = true
	return !had
}

func (l *logs) complain(about string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told[about] != err.Error() && l.cmd.Context().Err() == nil {
		fmt.Fprintf(l.cmd.ErrOrStderr(), "%s: %v\n", about, err)
	}
	l.told[about] = err.Error()
}

func (l *logs) settle(about string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.told, about)
}

func (l *logs) print(prefix, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "%s %s\n", prefix, line)
}

// question is the query for a container's log, from the last line that was read on.
func (l *logs) question(t *tail) url.Values {
	q := url.Values{"container": {t.container}, "timestamps": {"true"}}
	if l.flags.follow {
		q.Set("follow", "true")
	}
	switch {
	case !t.last.IsZero():
		q.Set("sinceTime", t.last.UTC().Format(time.RFC3339))
		return q
	case l.flags.since > 0:
		q.Set("sinceSeconds", strconv.Itoa(max(1, int(l.flags.since.Seconds()))))
	}
	if l.flags.tail >= 0 {
		q.Set("tailLines", strconv.Itoa(l.flags.tail))
	}
	return q
}

// plurals are the words of the API for the kinds that have pods.
var plurals = map[string]string{
	"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets", "ReplicaSet": "replicasets", "Job": "jobs",
}

// podsOf lists the pods of a workload's objects in a member.
func (l *logs) podsOf(ctx context.Context, member string, w *gatewayv1.Workload) ([]pod, error) {
	return podsOf(ctx, l.api, member, w)
}

// podsOf lists the pods of a workload's objects in a member, by their selectors there.
func podsOf(ctx context.Context, api *memberAPI, member string, w *gatewayv1.Workload) ([]pod, error) {
	var out []pod
	for _, o := range w.GetSpec().GetObjects() {
		namespace := or(o.GetNamespace(), w.GetMetadata().GetNamespace())
		if o.GetKind() == "Pod" {
			var one pod
			if err := api.read(ctx, member, "/api/v1/namespaces/"+namespace+"/pods/"+o.GetName(), nil, &one); err == nil {
				out = append(out, one)
			} else if !errors.Is(err, errNoObject) {
				return nil, err
			}
			continue
		}
		word, ok := plurals[o.GetKind()]
		if !ok {
			continue
		}
		var owner struct{ Spec struct{ Selector selector } }
		err := api.read(ctx, member, "/apis/"+o.GetApiVersion()+"/namespaces/"+namespace+"/"+word+"/"+o.GetName(), nil, &owner)
		if errors.Is(err, errNoObject) {
			continue // not landed yet, or no more
		}
		var list struct{ Items []pod }
		if err == nil {
			err = api.read(ctx, member, "/api/v1/namespaces/"+namespace+"/pods", url.Values{"labelSelector": {owner.Spec.Selector.String()}}, &list)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, list.Items...)
	}
	return out, nil
}

// selector is a label selector of Kubernetes.
type selector struct {
	MatchLabels      map[string]string
	MatchExpressions []struct {
		Key, Operator string
		Values        []string
	}
}

// String is the selector as a query has it.
func (s selector) String() string {
	var out []string
	for k, v := range s.MatchLabels {
		out = append(out, k+"="+v)
	}
	for _, e := range s.MatchExpressions {
		switch e.Operator {
		case "Exists":
			out = append(out, e.Key)
		case "DoesNotExist":
			out = append(out, "!"+e.Key)
		default: // In, NotIn
			out = append(out, e.Key+" "+strings.ToLower(e.Operator)+" ("+strings.Join(e.Values, ",")+")")
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
