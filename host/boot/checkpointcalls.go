package boot

import (
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/manifest"
)

// uncalled reports calls into handlers that checkpoints want and no function
// takes, and those that functions take and nobody makes.
func (b *Build) uncalled() manifest.Errors {
	var found manifest.Errors
	for i := range b.Manifest.Checkpoints {
		mc := &b.Manifest.Checkpoints[i]
		c := &b.Plan.Checkpoints[i]
		if mc.OnRecovery == manifest.RecoveryCall && c.Recovery < 0 {
			found = append(found, manifest.NewError(manifest.CodeCheckpointFlag, b.Manifest.Pos("checkpoint", mc.ID, "on_recovery"),
				fmt.Sprintf("the checkpoint %q wants a recovery call, and no function takes it that records of %q come to", mc.ID, mc.Dependent.Source.Text),
				fmt.Sprintf("write checkpoint = [%q] in a handler whose function has one, or on_recovery = \"resume\"", mc.ID)))
		}
		for d := range mc.Dependencies {
			dep := &mc.Dependencies[d]
			if len(dep.Checks) > 0 && c.Check < 0 {
				found = append(found, manifest.NewError(manifest.CodeCheckpointFlag, b.Manifest.Pos("checkpoint", mc.ID, "dependency", dep.ID, "checks"),
					fmt.Sprintf("the checkpoint %q wants checks for %q, and no handler that has the checkpoint has a function with checks", mc.ID, dep.ID),
					fmt.Sprintf("write checkpoint = [%q] in a handler whose function has them, or leave checks out", mc.ID)))
			}
		}
		for h := range b.Plan.Handlers {
			if slices.Contains(b.Plan.Handlers[h].Checkpoints, i) {
				found = append(found, b.unmade(mc, c, h)...)
			}
		}
	}
	return found
}

// unmade reports the calls that the function of a handler takes from a
// checkpoint in vain.
func (b *Build) unmade(mc *manifest.Checkpoint, c *host.Checkpoint, handler int) manifest.Errors {
	mh := &b.Manifest.Handlers[handler]
	var found manifest.Errors
	for _, call := range []struct {
		name   string
		flag   abi.HandlerFlag
		source int
	}{{"downtime", abi.FlagDowntime, c.Downtime}, {"recovery", abi.FlagRecovery, c.Recovery}} {
		if b.flags(handler)&call.flag == 0 {
			continue
		}
		made := call.source >= 0 && slices.ContainsFunc(b.Plan.Sources[call.source].Handlers, func(hs host.HandlerSource) bool { return hs.Handler == handler })
		why, hint := "", ""
		switch {
		case !made:
			why = fmt.Sprintf("no records of %q come to it", mc.Dependent.Source.Text)
			hint = "a handler that reads the dependent gets the calls; this one may only say markers"
		case call.flag == abi.FlagRecovery && mc.OnRecovery != manifest.RecoveryCall:
			why = fmt.Sprintf("on_recovery is %q", mc.OnRecovery)
			hint = "write on_recovery = \"call\" to have it made"
		default:
			continue
		}
		found = append(found, manifest.NewError(manifest.CodeCheckpointUncalled, b.Manifest.Pos(mh.Path("checkpoint")...),
			fmt.Sprintf("function %q of module %q has a %s call, which handler %q never gets from the checkpoint %q: %s", mh.Function, mh.Module, call.name, mh.ID, mc.ID, why), hint))
	}
	return found
}
