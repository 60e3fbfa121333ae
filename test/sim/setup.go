package sim

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
)

// AddStore puts the store into the world. It is there first and never dies.
func (w *World) AddStore() {
	s := newStore(w, storeName)
	w.Add(&Node{Name: storeName, Start: func() Part { return s }})
	w.Up(storeName)
}

// AddHub puts a hub process into the world and starts it.
func (w *World) AddHub(name string) {
	w.hubNames = append(w.hubNames, name)
	w.Add(&Node{Name: name, Start: func() Part { return newHub(w, name) }})
	w.Up(name)
}

// AddGateway puts a gateway into the world and starts it.
func (w *World) AddGateway(name string) {
	w.Add(&Node{Name: name, Start: func() Part { return newGateway(w, name) }})
	w.Up(name)
}

// AddServer puts a server of the bus into the world. Beats go through each of them.
func (w *World) AddServer(name string) {
	w.servers = append(w.servers, name)
	w.Add(&Node{Name: name, Start: func() Part { return server{w} }})
	w.Up(name)
}

// AddMember lets a member join: its record is written, its cluster and its agent
// start.
func (w *World) AddMember(name, region string, nodes int64) {
	w.join(name, &member{nodes: nodes, spec: federation.MemberSpec{Place: federation.Place{Region: region}}})
}

// join completes a member that has nothing yet, and starts it.
func (w *World) join(name string, on *member) {
	id := name
	if on.remade > 0 {
		id = fmt.Sprintf("%s-%d", name, on.remade)
	}
	on.cluster = newCluster(w, name)
	on.spec.Name, on.spec.Account, on.spec.ClusterID = name, id, "cluster-"+id
	on.spec.ProbeURL, on.spec.JoinedAt = "https://"+name, w.now
	on.spec.AgentAt = on.agentAt()
	w.members[name] = on
	life := on.lives // what is under way to the one before is not for this one
	if old := w.nodes[name]; old != nil {
		life = old.life
	}
	w.Add(&Node{
		Name: name, life: life, Start: func() Part { return newAgent(w, on) }, Stopped: func(last Part) {
			if a, ran := last.(*agent); ran {
				a.stopped()
			}
		},
		Serve: on.cluster.served,
	})
	w.write(string(decision.SourceMembers), name, on.spec)
	w.StartMember(name)
}

// StartMember starts the process tree of a member: cluster and agent.
func (w *World) StartMember(name string) {
	w.members[name].cluster.start()
	w.Up(name)
}

// KillMember ends the machine of a member at once, and with it the clock that its leases
// count by.
func (w *World) KillMember(name string) {
	w.Down(name)
	w.members[name].leases = leases{}
	w.members[name].cluster.stop()
}

// write is what a client of the gateway writes: not subject to any fault.
func (w *World) write(bucket, key string, v any) {
	w.store().write(put{Bucket: bucket, Key: key, Value: v, Any: true})
}

func (w *World) store() *store { return w.nodes[storeName].part.(*store) }

// records are the records of a bucket, for laws and promises.
func (w *World) records(bucket string) map[string]entry { return w.store().bucket(bucket).records }

// clusterOf returns the cluster of a member, nil for other nodes.
func (w *World) clusterOf(name string) *cluster {
	if on := w.members[name]; on != nil {
		return on.cluster
	}
	if on := w.exiles[name]; on != nil {
		return on.cluster
	}
	return nil
}

// hubs lists the hub processes.
func (w *World) hubs() []string { return w.hubNames }

// leading is the hub that answers requests: the first one that believes it leads;
// the first one of all when none does.
func (w *World) leading() string {
	for _, name := range w.hubNames {
		if h, ok := w.nodes[name].part.(*hub); ok && h.m != nil {
			return name
		}
	}
	if len(w.hubNames) == 0 {
		return "no hub"
	}
	return w.hubNames[0]
}

// Apply writes a workload of one Deployment with that many replicas.
func (w *World) Apply(k federation.Key, replicas int64, p federation.PlacementSpec) {
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": k.Namespace, "name": k.Name},
		"spec": map[string]any{
			"replicas": replicas,
			"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{
				"name": "main", "image": "main:1", "resources": map[string]any{"requests": map[string]any{"cpu": fmt.Sprintf("%dm", perReplica)}},
			}}}},
		},
	})
	if err != nil {
		panic(err) // plain maps
	}
	w.write(string(decision.SourceWorkloads), k.String(), federation.Workload{
		Key: k, Placement: p, AppliedAt: w.now,
		Objects: []federation.Object{{APIVersion: "apps/v1", Kind: "Deployment", Namespace: k.Namespace, Name: k.Name, Raw: raw}},
	})
}

// replicasOf reads back what Apply wrote.
func replicasOf(v federation.Workload) int64 {
	var d struct {
		Spec struct {
			Replicas int64 `json:"replicas"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(v.Objects[0].Raw, &d); err != nil {
		panic(err) // written by Apply
	}
	return d.Spec.Replicas
}

// Request asks the hub that leads, as a client does through a gateway, and says
// what it answered.
func (w *World) Request(what string, body any) {
	from := w.clientNode()
	w.Call(Link{from, w.leading()}, body, 5*time.Second, func(answer any, ok bool) {
		switch a := answer.(type) {
		case decision.Refusal:
			w.say("%s: refused: %s", what, a.Text)
		case federation.Operation:
			w.say("%s", strings.TrimSpace(fmt.Sprintf("%s: %s %s", what, a.State, a.Reason)))
		default:
			if !ok {
				w.say("%s: no answer", what)
			}
		}
	})
}

// clientNode is where clients sit; it exists from the first request on.
func (w *World) clientNode() string {
	const name = "client"
	if w.nodes[name] == nil {
		w.Add(&Node{Name: name, Start: func() Part { return client{} }})
		w.Up(name)
	}
	return name
}

// client only waits for answers.
type client struct{}

func (client) Receive(Message)             {}
func (client) Deadline() (time.Time, bool) { return time.Time{}, false }
func (client) Tick()                       {}
func (client) Check() error                { return nil }
