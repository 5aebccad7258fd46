import { describe, expect, it } from 'vitest';
import { type Child, createLineage, selfAndMakers } from '../../../rules/correlate/lineage.ts';

const child = (pid: number, parentPid: number): Child => ({
  pid,
  start: BigInt(pid),
  parentPid,
  parentStart: BigInt(parentPid),
});

describe('who made whom', () => {
  it('stays as it was at the fork, whatever parent a process gets later', () => {
    const lineage = createLineage(() => undefined);
    const root = lineage.of(child(2, 1));
    lineage.forked(child(3, 2), child(2, 1));
    lineage.forked(child(4, 3), child(3, 2));
    lineage.exited(child(3, 2));
    const orphan = lineage.of(child(4, 1));
    expect([...selfAndMakers(orphan)]).toContain(root);
  });

  it('is the maker, not the parent that CLONE_PARENT gives', () => {
    const lineage = createLineage(() => undefined);
    const maker = lineage.of(child(2, 1));
    lineage.forked(child(3, 1), child(2, 1));
    expect([...selfAndMakers(lineage.of(child(3, 1)))]).toContain(maker);
  });

  it('is what is known of parents where no fork was seen', () => {
    const known = new Map([5, 4, 3, 2].map((pid) => [pid, { ...child(pid, pid - 1), alive: true }]));
    const lineage = createLineage(({ pid }) => known.get(pid));
    const line = [...selfAndMakers(lineage.of(child(6, 5)))];
    expect(line).toHaveLength(6);
    expect(line.at(-1)).toBe(lineage.of(child(1, 0)));
    expect(line[3]).toBe(lineage.of(child(3, 2)));
  });

  it('keeps an ancestor in which a sequence began over any number of generations that come and go, and few others', () => {
    const lineage = createLineage(() => undefined);
    const root = lineage.of(child(1, 0));
    root.held = 1;
    for (let pid = 2; pid <= 50_000; pid++) {
      lineage.forked(child(pid, pid - 1), child(pid - 1, 1));
      lineage.exited(child(pid - 1, 1));
    }
    const line = [...selfAndMakers(lineage.of(child(50_000, 1)))];
    expect(line.at(-1)).toBe(root);
    expect(line.length).toBeLessThan(1100);
    expect(lineage.size).toBeLessThan(1100);
    root.held = 0;
    lineage.forked(child(60_000, 50_000), child(50_000, 1));
    for (let pid = 60_001; pid <= 62_000; pid++) {
      lineage.forked(child(pid, pid - 1), child(pid - 1, 1));
      lineage.exited(child(pid - 1, 1));
    }
    expect([...selfAndMakers(lineage.of(child(62_000, 1)))]).not.toContain(root);
  });

  it('forgets processes whose ends were not seen', () => {
    const lineage = createLineage(({ pid }) => (pid % 100 === 0 ? { ...child(pid, 0), alive: true } : undefined));
    for (let pid = 1; pid <= 100_000; pid++) lineage.of(child(pid, 0));
    expect(lineage.size).toBeLessThan(70_000);
  });
});
