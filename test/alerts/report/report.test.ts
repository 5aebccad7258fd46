import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkProof } from '../../../alerts/audit/check-proof.ts';
import { readPublicKey } from '../../../alerts/audit/log-key.ts';
import { escapeControl } from '../../../alerts/escape.ts';
import { html } from '../../../alerts/report/html.ts';
import { makeReport, type Report, type ReportOptions } from '../../../alerts/report/report.ts';
import { parseCheckpoint } from '../../../alerts/transparency/checkpoint.ts';
import { cosign } from '../../../alerts/transparency/cosignature.ts';
import { createSigner, SIGNATURE, type Signer } from '../../../alerts/transparency/key.ts';
import { withSignature } from '../../../alerts/transparency/note.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { alertAt, at, HOSTILE, STORY, type StoryEntry, storyWith, writeStory } from './story.ts';

const report = (folder: string, more: Partial<ReportOptions> = {}): Promise<Report> =>
  makeReport({ folder, version: '1.2.3', now: new Date('2026-02-03T04:05:06Z'), ...more });

const reportOf = async (story: readonly StoryEntry[], more: Partial<ReportOptions> = {}): Promise<Report> => {
  const folder = temporaryFolder();
  await writeStory(folder, story);
  return report(folder, more);
};

/** A section's text as a reader has it, tags and entities gone. */
const textOf = (html: string, id: string): string => {
  const from = html.indexOf(`<section id="${id}"`);
  const start = from < 0 ? html.indexOf(`id="${id}"`) : from;
  const end = html.indexOf('</section>', start);
  return html
    .slice(html.indexOf('>', start) + 1, end)
    .replace(/<[^>]*>/g, ' ')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&#96;/g, '`')
    .replace(/&amp;/g, '&')
    .replace(/\s+/g, ' ')
    .trim();
};

const filesOf = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [path, createHash('sha256').update(readFileSync(path)).digest('hex')];
      }),
  );

describe('what a report says', () => {
  it('tells in words what happened, what was done and what not, and what was lost', async () => {
    const { html } = await reportOf(STORY);
    expect(textOf(html, 'summary')).toContain(
      'Between 2023-11-14 22:13:21 and 2023-11-14 23:13:20 UTC, on web-1: 4 rules raised 4 alerts, which stand for 15 matches: 2 critical, 1 error and 1 notice. ' +
        '3 attempts to deny or kill: 1 carried out, 2 not. Something was lost: 1 cause, see below. The agent was started 2 times; 1 run ended without a stop.',
    );
    const enforcement = textOf(html, 'enforcement');
    expect(enforcement).toContain('✓ denied deny 1 carried out 2023-11-14 22:13:22');
    expect(enforcement).toContain('✗ suppressed: agent deny 1 a guard stood before it: agent');
    expect(enforcement).toContain(
      "✗ would have deny 1 only watched: the policy's mode is monitor, or the agent ran without --enforce",
    );
    const losses = textOf(html, 'losses');
    expect(losses).toContain('records of tp_btf/sys_exit that found no room in the ring buffer events ✗ lost 20 2');
    expect(losses).toContain(
      'matches of "Shell connects out" in /web.slice that a limit (the rule\'s) held back on purpose 40 1',
    );
  });

  it('orders rules by noise, with matches that an alert counts', async () => {
    const { html, collected } = await reportOf([...STORY, alertAt(5), alertAt(6)]);
    expect(collected.rules[0]).toMatchObject({ rule: 'Password file read', alerts: 3, matches: 3 });
    expect(textOf(html, 'rules')).toContain('Password file read ◆ critical 3 50 % 3 2023-11-14 22:13:21');
    expect(textOf(html, 'rules')).toContain('Many failures ● notice 1 17 % 12');
  });

  it('says which policy was in force when, and how each run ended', async () => {
    const { html } = await reportOf(STORY);
    const policies = textOf(html, 'policies');
    expect(policies).toMatch(
      new RegExp(
        `credential-files ${'ab'.repeat(32)} enforce 3 \\S+ \\S+ \\S+ \\S+ until the run's last entry; it ended without a stop`,
      ),
    );
    expect(policies).toMatch(
      new RegExp(`credential-files ${'ef'.repeat(32)} enforce 3 \\S+ \\S+ \\S+ \\S+ until the agent stopped`),
    );
    const runs = textOf(html, 'runs');
    expect(runs).toContain('entry 1 ');
    expect(runs).toContain('entry 12 ✗ no stop: crashed or killed web-1 6.12.0 on – –');
    expect(runs).toContain('entry 16 ✓ stopped web-1 6.12.0 off 1,000 1');
  });

  it('follows reloads: what they replaced and took away', async () => {
    const reload = { added: 0, removed: 1, changed: 1 };
    const { collected } = await reportOf([
      ['start', { host: 'a', kernel: 'k', enforce: false }],
      ['policy', { name: 'one', hash: '1', mode: 'monitor', rules: 1 }],
      ['policy', { name: 'two', hash: '2', mode: 'monitor', rules: 1 }],
      ['policy', { name: 'three', hash: '3', mode: 'monitor', rules: 1 }],
      ['policy', { name: 'one', hash: '11', mode: 'monitor', rules: 1, reload }],
      ['policy', { name: 'three', hash: '3', mode: 'monitor', rules: 1, reload }],
      ['policy', { name: 'two', hash: '2', ended: true, reload }],
    ]);
    expect(collected.runs.periods.map(({ name, hash, ending, reloaded }) => [name, hash, ending, reloaded])).toEqual([
      ['one', '1', 'replaced', false],
      ['two', '2', 'removed', false],
      ['three', '3', 'in force', false],
      ['one', '11', 'in force', true],
    ]);
    expect(collected.runs.runs.map(({ end }) => end)).toEqual(['open']);
  });

  it('puts alerts and attempts at their processes, also where the attempt comes before the alert that names the ancestors', async () => {
    const { collected } = await reportOf(STORY);
    const walk = (nodes: typeof collected.tree.roots, depth = 0): string[] =>
      [...nodes.values()].flatMap((node) => [
        `${'  '.repeat(depth)}${node.pid} ${node.exe}: ${[...node.hits.keys()].join(', ').replaceAll('\t', ' ')}`,
        ...walk(node.children, depth + 1),
      ]);
    expect(walk(collected.tree.roots)).toEqual([
      '1 /sbin/init: ',
      '  700 /usr/sbin/sshd: ',
      '    812 /usr/bin/bash: ',
      '      900 /usr/bin/cat: alert critical Password file read',
      '      901 /usr/bin/tee: alert critical Password file denied, attempt done denied Password file denied',
      '      904 /usr/bin/bash: alert error Shell connects out',
      '      905 /usr/sbin/sshd: alert notice Many failures',
      '902 /usr/bin/tee: attempt not suppressed: agent Password file denied',
      '903 /usr/bin/tee: attempt not would have Password file denied',
    ]);
    const turned = STORY.map((entry, index) => STORY[index === 4 ? 5 : index === 5 ? 4 : index] ?? entry);
    const { collected: again } = await reportOf(turned);
    expect(
      new Set(walk(again.tree.roots)).has(
        '      901 /usr/bin/tee: alert critical Password file denied, attempt done denied Password file denied',
      ),
    ).toBe(true);
  });

  it('counts only what happened in the time that is asked for, and still knows the policies of that time', async () => {
    const { html, collected } = await reportOf(STORY, { since: new Date(at(50)), until: new Date(at(100)) });
    expect(collected.alerts).toBe(1);
    expect(collected.attempts).toEqual([]);
    expect(collected.rules.map(({ rule }) => rule)).toEqual(['Shell connects out']);
    expect(textOf(html, 'policies')).toContain('credential-files');
    expect(html).toContain('Only what happened from');
  });

  it('says what it leaves out, of each kind and rule', async () => {
    const many = Array.from({ length: 40 }, (_, index) => alertAt(index + 100));
    const { html, collected } = await reportOf([...STORY, ...many], { limit: 20 });
    expect(collected.shown).toHaveLength(20);
    expect(collected.shown.at(-1)?.seq).toBe(STORY.length + 40);
    const leftOut = textOf(html, 'left-out');
    expect(leftOut).toContain('20 of 53 entries of this time are shown in full');
    expect(leftOut).toContain('alert critical Password file read: 8 of 41');
    expect(textOf(html, 'rules')).toContain('Password file read ◆ critical 41 93 %');
  });

  it('tells what is counted in no alert yet, until an alert tells of it', async () => {
    const shed: StoryEntry = ['shed', { policy: 'p', rule: 'Many failures', aggregated: 7 }];
    const told = STORY.findIndex(
      ([, body]) => typeof body === 'function' && JSON.stringify(body(1)).includes('aggregated'),
    );
    expect(textOf((await reportOf([...STORY, shed])).html, 'rules')).toContain(
      `Counted, and in no alert yet at the log's end: 7 matches of "Many failures".`,
    );
    const before = STORY.toSpliced(told, 0, shed);
    expect(textOf((await reportOf(before)).html, 'rules')).not.toContain('Counted, and in no alert yet');
  });

  it('has a page for an empty log', async () => {
    const { html, collected } = await reportOf([]);
    expect(collected.entries).toBe(0);
    expect(textOf(html, 'timeline')).toContain('Nothing happened in this time.');
  });
});

describe('what proves it', () => {
  it('verifies the log on the way, and has a proof of each entry that holds without the log', async () => {
    const folder = temporaryFolder();
    await writeStory(folder, STORY);
    const before = filesOf(folder);
    const { html, evidence } = await report(folder);
    expect(evidence.state).toBe('verified');
    expect(textOf(html, 'verdict')).toBe(
      "✓ Verified 16 entries of 16 are what was signed. The key comes from the log's own folder: who could rewrite the log could put another key there. " +
        'Compare it with one that was kept elsewhere, or give that one with --key.',
    );
    const proofs = [...html.matchAll(/<pre[^>]*aria-label="Proof of entry (\d+)[^>]*>([^<]*)<\/pre>/g)];
    expect(proofs.map(([, seq]) => Number(seq))).toEqual([1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16]);
    for (const [, seq, text = ''] of proofs) {
      const shown = checkProof(text.replaceAll('&#39;', "'"), readPublicKey(folder)!);
      expect(shown.kind === 'inclusion' && shown.entry.seq).toBe(Number(seq));
    }
    expect(filesOf(folder)).toEqual(before);
  });

  it('says in red what was changed, and shows no proof of it', async () => {
    const folder = temporaryFolder();
    await writeStory(folder, STORY);
    const path = join(folder, 'audit-000001.jsonl');
    writeFileSync(path, readFileSync(path, 'utf8').replace('cat read /etc/shadow', 'cat read /etc/passwd'));
    const { html, evidence } = await report(folder);
    expect(evidence.state).toBe('changed');
    const verdict = textOf(html, 'verdict');
    expect(verdict).toContain('✗ This log does not verify: it is not what was signed');
    expect(verdict).toContain(`${path}:4: entry 4 was changed`);
    expect(html).not.toContain('Proof of entry');
  });

  it('says where lines were cut out of a log without a checkpoint, or can not be read', async () => {
    const folder = temporaryFolder();
    await writeStory(folder, STORY);
    for (const name of ['checkpoint', 'tile', 'log.pub', 'log.key']) rmSync(join(folder, name), { recursive: true });
    expect(textOf((await report(folder)).html, 'verdict')).toBe(
      '! This log has no checkpoint: nothing proves that it is what was written The checksums of its 16 lines hold, which finds accidents and not intent: ' +
        'whoever can write the files can write checksums.',
    );
    const path = join(folder, 'audit-000001.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n');
    const damaged = [...lines.slice(0, 4), ...lines.slice(6, 9), `${lines[9]}x`, ...lines.slice(10)];
    writeFileSync(path, damaged.join('\n'));
    const { html, collected } = await report(folder);
    const verdict = textOf(html, 'verdict');
    expect(verdict).toContain('✗ This log is damaged');
    expect(verdict).toContain('entries 5 to 6 are missing');
    expect(verdict).toContain(`${path}:8: expected ,"crc32c":"<8 hex digits>"} at the end of the line at byte`);
    expect(verdict).toContain('1 line could not be read and 1 gap was found in the numbers of entries.');
    expect(collected.entries).toBe(13);
  });

  it('takes a torn last line for one that is being written', async () => {
    const folder = temporaryFolder();
    await writeStory(folder, STORY);
    const path = join(folder, 'audit-000001.jsonl');
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"v":1,"seq":17,"ti`);
    const { evidence, collected } = await report(folder);
    expect([evidence.state, collected.entries, collected.badCount]).toEqual(['verified', 16, 0]);
  });

  it('shows who cosigned the checkpoint and when, and says where a witness that is asked for has not', async () => {
    const folder = temporaryFolder();
    await writeStory(folder, STORY);
    const [witness, other] = ['watch-1', 'watch-2'].map((name) => createSigner(name, SIGNATURE.cosignature)) as [
      Signer,
      Signer,
    ];
    const path = join(folder, 'checkpoint');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, withSignature(text, cosign(parseCheckpoint(text), witness, 1_700_000_000)));
    const { html, evidence } = await report(folder, { witnesses: [witness.verifier] });
    expect(evidence.state).toBe('verified');
    expect(textOf(html, 'evidence')).toMatch(/ watch-1 [0-9a-f]{8} 2023-11-14 22:13:20 ✓ holds /);
    expect(textOf((await report(folder)).html, 'evidence')).toContain(
      "2023-11-14 22:13:20 not checked: give the witness's key with --witness",
    );
    const wanted = await report(folder, { witnesses: [other.verifier] });
    expect(wanted.evidence.state).toBe('unchecked');
    expect(textOf(wanted.html, 'verdict')).toContain(
      '✗ This log could not be verified the newest checkpoint has no cosignature of watch-2',
    );
  });

  it('is not taken in by a log that was signed anew with another key', async () => {
    const folder = temporaryFolder();
    await writeStory(folder, STORY);
    const key = createSigner('web-1/shrike/00000000').verifier;
    const { html, evidence } = await report(folder, { key });
    expect(evidence.state).toBe('changed');
    expect(textOf(html, 'verdict')).toContain(`the key of ${key.name}`);
    const copy = temporaryFolder();
    cpSync(folder, copy, { recursive: true });
    rmSync(join(copy, 'log.pub'));
    expect(textOf((await report(copy)).html, 'verdict')).toContain('! There is no key to verify this log with');
  });
});

/** A page's tags with the names of their attributes, in order. */
const tagsOf = (html: string): readonly string[] =>
  [...html.replace(/<(style|script)>.*?<\/\1>/gs, '').matchAll(/<\/?([a-z0-9]+)((?:[^<>"]|"[^"]*")*)>/gi)].map(
    ([tag, name = '', attributes = '']) =>
      `${tag.startsWith('</') ? '/' : ''}${name} ${[...attributes.replace(/"[^"]*"/g, '').matchAll(/[a-z-]+/gi)].join(' ')}`,
  );

describe('texts of others', () => {
  let plain: readonly string[] | undefined;
  it.each(HOSTILE.map((text, index) => [index, text] as const))('become no part of the page (%i)', async (_, text) => {
    plain ??= tagsOf((await reportOf(storyWith('plain'))).html);
    const { html } = await reportOf(storyWith(text));
    expect(tagsOf(html)).toEqual(plain);
    expect(html).not.toMatch(/[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]|[^\P{Cc}\n]/u);
  });

  it('are cut where they are very long, and say how long they are', async () => {
    const { html } = await reportOf(storyWith('x'.repeat(131_072)));
    expect(html.length).toBeLessThan(600_000);
    expect(html).toContain(`${'x'.repeat(400)}… (131,072 characters in all)`);
    expect(html).not.toContain('x'.repeat(5_001));
  });

  it('are taken in by no random choice of characters', () => {
    const characters = fc.constantFrom(...'<>&"\'`/=!-;#xX0a\\ \n\u0000\u202e\u2066\ud800\udc00\u0301é\u{1f600}');
    fc.assert(
      fc.property(fc.array(characters, { maxLength: 40 }), (chosen) => {
        const text = chosen.join('');
        const { html: made } = html`<p title="${text}">${text}</p>`;
        const [, attribute = '-', inner = '+'] = /^<p title="([^"<>]*)">([^<>]*)<\/p>$/.exec(made) ?? [];
        expect(attribute).toBe(inner);
        const known: Readonly<Record<string, string>> = {
          amp: '&',
          lt: '<',
          gt: '>',
          quot: '"',
          '#39': "'",
          '#96': '`',
        };
        const read = inner.replace(/&([^;&]*);/g, (whole, name: string) => known[name] ?? whole);
        expect(inner.replace(/&(?:amp|lt|gt|quot|#39|#96);/g, '')).not.toMatch(/[&<>"'`]/);
        if (!/\p{M}{5}/u.test(text)) expect(read).toBe(escapeControl(text));
      }),
      { numRuns: count(20_000), seed: seed('html') },
    );
  });
});
