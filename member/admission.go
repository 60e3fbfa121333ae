package member

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/admit"
)

// openAdmission has the API server ask this agent about pods of at-most-one
// workloads, before it lands the first.
func (a *Agent) openAdmission(ctx context.Context) error {
	a.tellLeases(time.Now())
	if a.opts.AdmissionListen == "" {
		a.log.Info("no admission server: pods of at-most-one workloads are not held back by the API server")
		return nil
	}
	identity, err := a.state.read(admissionFile)
	if err != nil {
		return err
	}
	server, err := admit.New(admit.Options{
		Listen: a.opts.AdmissionListen, URL: a.opts.AdmissionURL, Identity: identity, Left: a.leftOf, Log: a.log,
	})
	if err != nil {
		return err
	}
	if !bytes.Equal(identity, server.Identity()) {
		if err := a.state.write(admissionFile, server.Identity()); err != nil {
			server.Close()
			return err
		}
	}
	configuration, err := server.Configuration()
	if err == nil {
		err = a.cluster.ApplyJSON(ctx, configuration)
	}
	if err != nil {
		server.Close()
		return fmt.Errorf("let the API server ask about pods of at-most-one workloads: %w", err)
	}
	a.admission = server
	return nil
}

// closeAdmission gives the port back, also when the agent never came to answer.
func (a *Agent) closeAdmission() {
	if a.admission != nil {
		a.admission.Close()
	}
}

// admit answers the API server until ctx ends.
func (a *Agent) admit(ctx context.Context) error {
	if a.admission == nil {
		return nil
	}
	return a.admission.Run(ctx)
}

// tellLeases lets those who ask know what the guard knows.
func (a *Agent) tellLeases(now time.Time) {
	leases := a.guard.Leases(now)
	a.leases.Store(&leases)
}

// leftOf says for how long the at-most-one workload may run here from now on.
func (a *Agent) leftOf(k federation.Key, now time.Time) (time.Duration, string) {
	until, held := (*a.leases.Load())[k]
	switch {
	case !held:
		return 0, "this member has no lease of it"
	case !now.Before(until):
		return 0, "its lease has ended"
	}
	return until.Sub(now), ""
}

// guardEnv is what the pods of an at-most-one workload need to ask for its lease; nil
// without an admission server.
func (a *Agent) guardEnv(k federation.Key) map[string]string {
	if a.admission == nil {
		return nil
	}
	return a.admission.GuardEnv(k)
}
