"""`UsageOnDemand`: what is used now, for who asks."""

from __future__ import annotations

import nbexec
from nbexec.observers import usage, usage_on_demand
from nbexec.observers.usage_on_demand import UsageOnDemand


class Meter:
    """Has used as much as it was read."""

    reads = 0

    def read(self):
        self.reads += 1
        return usage.TreeUsage(0.5 * self.reads, 100 * self.reads, ())


def test_an_answer_is_given_again_for_a_while(monkeypatch, clock):
    monkeypatch.setattr(usage_on_demand, "Meter", Meter)
    monkeypatch.setattr(usage_on_demand.time, "monotonic", clock)
    monkeypatch.setattr(usage_on_demand.time, "sleep", clock.go)
    run = nbexec.map(abs, [1]).run
    on_demand = UsageOnDemand()
    first = on_demand.read(run)
    assert (first.cores, first.memory) == (0.5, 100)
    clock.go(0.1)
    assert on_demand.read(run) is first
    clock.go(0.2)
    assert on_demand.read(run).memory == 200
    on_demand.after_fork()
    assert on_demand.read(run).memory == 100


def test_workers_of_a_cluster_count_in_place_of_ours(monkeypatch, clock):
    class Run:
        def elsewhere(self):
            return [usage.Part("worker a", 2.0, 50, 80)]

    class Kernel(Meter):
        def read(self):
            return usage.TreeUsage(1.0, 30, (usage.Part("kernel", 1.0, 30),))

    monkeypatch.setattr(usage_on_demand, "Meter", Kernel)
    monkeypatch.setattr(usage_on_demand.time, "sleep", clock.go)
    sample = UsageOnDemand().read(Run())
    assert (sample.cores, sample.memory, sample.memory_limit) == (3.0, 80, 80)
