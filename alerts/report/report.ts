import { resolve } from 'node:path';
import type { Checkpoint } from '../transparency/checkpoint.ts';
import type { Verifier } from '../transparency/key.ts';
import { type Collected, collect } from './collect.ts';
import type { Cost } from './cost.ts';
import { type Evidence, gatherEvidence, sealedSize } from './evidence.ts';
import { pageHtml } from './page/page.ts';

export interface ReportOptions {
  readonly folder: string;
  /** Of the program that makes it. */
  readonly version: string;
  readonly title?: string;
  /** Events from this time on, and before that. */
  readonly since?: Date;
  readonly until?: Date;
  /** Entries that are shown in full at most; default 500. */
  readonly limit?: number;
  /** The log's public key from elsewhere; left out: the one in the log's folder. */
  readonly key?: Verifier;
  /** Public keys of witnesses. */
  readonly witnesses?: readonly Verifier[];
  /** Checkpoints of the log that were kept elsewhere: it must have grown from each. */
  readonly before?: readonly Checkpoint[];
  readonly cost?: Cost;
  readonly now?: Date;
  /** Called now and then with the share that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** A report, and what it is about. */
export interface Report {
  readonly html: string;
  readonly collected: Collected;
  readonly evidence: Evidence;
}

const LIMIT = 500;

/** Reads an audit log, verifies it and makes a page of both. Changes nothing. @throws Error where the folder can't be read */
export const makeReport = async (options: ReportOptions): Promise<Report> => {
  const { folder, version, title, since, until, limit = LIMIT, key, witnesses, before, cost, onProgress } = options;
  const shares = { read: 0, verified: 0 };
  const tell = (part: keyof typeof shares) => (done: number, all: number) => {
    shares[part] = all === 0 ? 1 : done / all;
    onProgress?.((shares.read + shares.verified) / 2);
  };
  const gathering = gatherEvidence({
    folder,
    ...(key && { key }),
    ...(witnesses && { witnesses }),
    ...(before && { before }),
    onProgress: tell('verified'),
  });
  const collecting = collect({
    folder,
    limit,
    checkFrom: sealedSize(folder, key) + 1,
    ...(since && { since }),
    ...(until && { until }),
    onProgress: tell('read'),
  });
  const [evidence, collected] = await Promise.all([gathering, collecting]);
  const hosts = [...collected.hosts].filter((host) => host !== '').slice(0, 3);
  const html = pageHtml({
    title: title ?? `Audit report${hosts.length > 0 ? ` of ${hosts.join(', ')}` : ''}`,
    folder: resolve(folder),
    version,
    madeAt: (options.now ?? new Date()).toISOString(),
    since: since?.toISOString(),
    until: until?.toISOString(),
    collected,
    evidence,
    cost,
  });
  return { html, collected, evidence };
};
