package busdoctor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// well is a bus of three servers with which nothing is wrong.
func well() World {
	w := World{Now: now, Report: federation.BusReport{At: now, Leader: "a", Wanted: 3}}
	for _, name := range []string{"a", "b", "c"} {
		s := federation.BusServer{
			Name: name, ID: "N" + name, Version: "2.15.2", MaxPayload: 8 << 20, MaxControl: 32 << 10, LeadsCluster: name == "a",
			JetStream:       federation.BusStore{Enabled: true, SyncAlways: true, Domain: "hansa", Used: 1 << 20, Limit: 1 << 30},
			CertificateEnds: now.Add(365 * 24 * time.Hour),
		}
		for _, other := range []string{"a", "b", "c"} {
			if other != name {
				s.Routes = append(s.Routes, federation.BusRoute{Server: other})
			}
		}
		w.Report.Servers = append(w.Report.Servers, s)
	}
	for _, name := range []string{"tokyo", "osaka"} {
		w.Members = append(w.Members, Member{Name: name, Account: "A" + name, Healthy: true, CredentialsEnd: now.Add(300 * 24 * time.Hour)})
		w.Report.Streams = append(w.Report.Streams, stream("works", name))
		w.Report.Consumers = append(w.Report.Consumers, federation.BusConsumer{Bucket: "works", Stream: "W_A" + name, Member: name, Pending: 12})
		for _, suffix := range []string{"", " beats"} {
			w.Report.Connections = append(w.Report.Connections, federation.BusConnection{
				Server: "a", Member: name, Name: name + suffix, User: "U" + name, Address: "10.0.0.1", Expires: now.Add(300 * 24 * time.Hour),
			})
		}
	}
	w.Report.Streams = append(w.Report.Streams, stream("workloads", ""))
	return w
}

func stream(bucket, member string) federation.BusStream {
	name := "R_" + bucket
	if member != "" {
		name = "W_A" + member
	}
	return federation.BusStream{
		Bucket: bucket, Stream: name, Member: member, Leader: "a",
		Replicas: []federation.BusReplica{{Server: "b", Current: true}, {Server: "c", Current: true, Lag: 5}},
	}
}

func TestWell(t *testing.T) {
	if got := Check(well()); len(got) > 0 {
		t.Errorf("found %+v", got)
	}
	if got := Check(World{}); len(got) > 0 {
		t.Errorf("found in nothing: %+v", got)
	}
	alone := well()
	alone.Report.Wanted, alone.Report.Servers = 1, alone.Report.Servers[:1]
	alone.Report.Servers[0].Routes = nil
	if got := Check(alone); len(got) > 0 {
		t.Errorf("found of one server: %+v", got)
	}
}

// TestFindings breaks one thing at a time, and wants exactly what is found of it.
func TestFindings(t *testing.T) {
	day := 24 * time.Hour
	for want, change := range map[string]func(*World){
		"servers bus: 2 of 3 servers answer: a, b":                           func(w *World) { w.lose("c") },
		"names server c: 2 servers have this name":                           func(w *World) { w.Report.Servers = append(w.Report.Servers, w.Report.Servers[2]) },
		"versions server b: runs 2.14.0, 2 of 3 run 2.15.2":                  func(w *World) { w.Report.Servers[1].Version = "2.14.0" },
		"routes server b: has no route to c":                                 func(w *World) { w.Report.Servers[1].Routes = w.Report.Servers[1].Routes[:1] },
		"store server b: JetStream is off":                                   func(w *World) { w.Report.Servers[1].JetStream = federation.BusStore{} },
		"store server b: writes are answered before they are on disk":        func(w *World) { w.Report.Servers[1].JetStream.SyncAlways = false },
		`store bus: JetStream has several domains: "" on b, "hansa" on a, c`: func(w *World) { w.Report.Servers[1].JetStream.Domain = "" },
		"disk server c: its streams use 90 % of the 1.0 GiB that they may":   func(w *World) { w.Report.Servers[2].JetStream.Used = 9 << 30 / 10 },
		"disk bus: 9 MiB left":                                               func(w *World) { w.Full = "9 MiB left" },
		"limits server a: max_payload is 1.0 MiB, want 8.0 MiB or more":      func(w *World) { w.Report.Servers[0].MaxPayload = 1 << 20 },
		"limits server a: max_control_line is 4 KiB, want 32 KiB or more":    func(w *World) { w.Report.Servers[0].MaxControl = 4096 },
		"clocks server b: its clock differs from that of the hub that leads by -1.5s": func(w *World) {
			w.Report.Servers[1].ClockOffset = -1520 * time.Millisecond
		},
		"streams bucket workloads: stream R_workloads is not there": func(w *World) {
			w.Report.Streams[2] = federation.BusStream{Bucket: "workloads", Stream: "R_workloads", Missing: true}
		},
		"streams bucket workloads: stream R_workloads has no leader":         func(w *World) { w.Report.Streams[2].Leader = "" },
		"streams bucket workloads: replicas is 1, want 3; max_age is 1h":     func(w *World) { w.Report.Streams[2].Wrong = []string{"replicas is 1, want 3", "max_age is 1h"} },
		"replicas works of tokyo: its copy on b is offline":                  func(w *World) { w.Report.Streams[0].Replicas[0].Offline = true },
		"replicas works of tokyo: its copy is behind on c (1200 operations)": func(w *World) { w.Report.Streams[0].Replicas[1].Lag = 1200 },
		"replicas works of tokyo: its copy is behind on b (0 operations)":    func(w *World) { w.Report.Streams[0].Replicas[0].Current = false },
		"leads hub a: 2 of 3 streams are led by b, c":                        func(w *World) { w.Report.Streams[0].Leader, w.Report.Streams[2].Leader = "c", "b" },
		"leads hub a: 0 of 3 streams are led by none; the cluster is led by b": func(w *World) {
			w.Report.Servers[0].LeadsCluster, w.Report.Servers[1].LeadsCluster = false, true
		},
		"works member tokyo: 1200 orders wait, although it is healthy": func(w *World) { w.Report.Consumers[0].Pending, w.Report.Consumers[0].Unacked = 700, 500 },
		"works member tokyo: 200 orders were delivered more than once and not acknowledged": func(w *World) {
			w.Report.Consumers[0].Redelivered = 200
		},
		"accounts server b: does not hold the accounts of osaka": func(w *World) { w.Report.Servers[1].Lacks = []string{"osaka"} },
		"accounts bus: 1 accounts belong to no member: AX":       func(w *World) { w.Report.Orphans = []string{"AX"} },
		"expiry member tokyo: its credentials end in 9 days, on 2026-03-11 11:00": func(w *World) {
			w.Members[0].CredentialsEnd = now.Add(10*day - time.Hour)
		},
		"expiry member tokyo: its credentials end in 12 h, on 2026-03-02 00:00": func(w *World) {
			w.Members[0].CredentialsEnd = time.Time{}
			w.Report.Connections[0].Expires = now.Add(12 * time.Hour)
		},
		"expiry server c: its certificate ended on 2026-02-28 12:00": func(w *World) { w.Report.Servers[2].CertificateEnds = now.Add(-day) },
		"expiry CA of the bus: its certificate ends in 13 days, on 2026-03-14 12:00": func(w *World) {
			w.Expiries = []federation.Expiry{{Kind: "certificate", About: "CA of the bus", Ends: now.Add(13 * day)}}
		},
		"places member tokyo: it connects from 10.0.0.1, 10.0.0.2":          func(w *World) { w.Report.Connections[1].Address = "10.0.0.2" },
		"places member tokyo: it has 3 connections, its agent needs 2":      func(w *World) { w.Report.Connections = append(w.Report.Connections, w.Report.Connections[0]) },
		"users member tokyo: it uses 2 different credentials: UOLD, Utokyo": func(w *World) { w.Report.Connections[1].User = "UOLD" },
		"slow gateway g1: it was cut off 2 times of late because it did not read, last at 11:58:00: Slow Consumer": func(w *World) {
			for i := range 2 {
				w.Report.Connections = append(w.Report.Connections, federation.BusConnection{
					Role: "gateway", Name: "g1", Closed: now.Add(-time.Duration(i+2) * time.Minute), Reason: "Slow Consumer",
				})
			}
		},
	} {
		w := well()
		change(&w)
		got := Check(w)
		var lines []string
		for _, f := range got {
			lines = append(lines, fmt.Sprintf("%s %s: %s", f.Check, f.About, f.Found))
			if f.Why == "" || f.Do == "" || strings.ContainsAny(f.Found+f.Why+f.Do, "\n") {
				t.Errorf("%s: not explained in one line each: %+v", f.Check, f)
			}
		}
		if strings.Join(lines, "\n") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(lines, "\n     "), want)
		}
	}
}

// lose takes a server away, with what the others know of it.
func (w *World) lose(name string) {
	kept := w.Report.Servers[:0]
	for _, s := range w.Report.Servers {
		if s.Name != name {
			kept = append(kept, s)
		}
	}
	w.Report.Servers = kept
}

// TestUnhealthyMembers: what waits for a member that is away is no finding of the bus.
func TestUnhealthyMembers(t *testing.T) {
	w := well()
	w.Members[0].Healthy, w.Report.Consumers[0].Pending = false, 100_000
	if got := Check(w); len(got) > 0 {
		t.Errorf("found %+v", got)
	}
}
