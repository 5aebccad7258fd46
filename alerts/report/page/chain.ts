import type { Collected } from '../collect.ts';
import type { Cosignature, Evidence } from '../evidence.ts';
import { type Html, html, lines } from '../html.ts';
import { list, number, plural, shellWord, shortTime } from '../words.ts';
import { value } from './marks.ts';
import { section } from './sections.ts';
import { table } from './table.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const banner = (kind: 'good' | 'warn' | 'bad', heading: string, content: Html): Html =>
  html`<section class="banner ${kind}" id="verdict" aria-labelledby="h-verdict"><h2 id="h-verdict">${heading}</h2>${content}</section>
`;

const damage = ({ bad, badCount, holes, holeCount }: Collected): Html | undefined => {
  if (badCount + holeCount === 0) return undefined;
  return html`<ul>${holes.map(({ from, to }) => (to < from ? html`<li>the order of entries is broken before entry ${to + 1}</li>` : html`<li>${to === from ? `entry ${from} is` : `entries ${from} to ${to} are`} missing</li>`))}${bad.map(({ path, number: line, problem }) => html`<li>${path}${line > 0 && `:${line}`}: ${problem}</li>`)}</ul>
<p>${plural(badCount, 'line')} could not be read and ${plural(holeCount, 'gap')} was found in the numbers of entries${badCount + holeCount > bad.length + holes.length && '; the first of them are listed'}.</p>`;
};

/** Whether the log can be believed, at the top of the page. */
export const verdictBanner = (evidence: Evidence, collected: Collected): Html => {
  const { state, verification, problem, keyFrom } = evidence;
  const broken = damage(collected);
  if (state === 'changed')
    return banner(
      'bad',
      '✗ This log does not verify: it is not what was signed',
      html`<ul>${verification?.findings.map(({ message }) => html`<li>${message}</li>`)}</ul>${broken}<p>What follows is what the log says now. Do not rely on it.</p>`,
    );
  if (state === 'unchecked')
    return banner(
      'bad',
      '✗ This log could not be verified',
      html`<p>${problem}</p>${broken}<p>What follows is what the log says now. Do not rely on it.</p>`,
    );
  if (broken !== undefined)
    return banner('bad', '✗ This log is damaged', html`${broken}<p>What follows is what can be read of it.</p>`);
  if (state === 'unsealed')
    return banner(
      'warn',
      '! This log has no checkpoint: nothing proves that it is what was written',
      html`<p>The checksums of its ${plural(collected.entries, 'line')} hold, which finds accidents and not intent: whoever can write the files can write checksums.</p>`,
    );
  if (state === 'unkeyed')
    return banner(
      'warn',
      '! There is no key to verify this log with',
      html`<p>It has a checkpoint, but its folder has no public key. Give the key with <code>--key</code>.</p>`,
    );
  const { verified = 0, unsigned = 0, firstKept = 1 } = verification ?? {};
  const gone =
    firstKept > 1 ? ` Entries before ${number(firstKept)} are not kept any more; their hashes are, and fit.` : '';
  const behind =
    unsigned > 0
      ? ` ${plural(unsigned, 'entry', 'entries')} behind the checkpoint ${unsigned === 1 ? 'is' : 'are'} not signed yet.`
      : '';
  const text = `${plural(verified, 'entry', 'entries')} of ${number(collected.entries)} ${verified === 1 ? 'is' : 'are'} what was signed.${behind}${gone}`;
  const trust =
    keyFrom === 'given'
      ? 'The key was given from outside of the log.'
      : "The key comes from the log's own folder: who could rewrite the log could put another key there. Compare it with one that was kept elsewhere, or give that one with --key.";
  return banner('good', '✓ Verified', html`<p>${text}</p><p>${trust}</p>`);
};

const stateOf = ({ state }: Cosignature): Html => {
  if (state === 'holds') return html`<span class="badge is-good">✓ holds</span>`;
  if (state === 'forged') return html`<span class="badge is-bad">✗ does not hold</span>`;
  return html`<span class="badge">not checked: give the witness's key with --witness</span>`;
};

const cosignaturesHtml = (cosignatures: readonly Cosignature[]): Html =>
  cosignatures.length === 0
    ? html`<p>No witness has cosigned this checkpoint: that the log was not rewritten as a whole, with its own key, only who saw an earlier checkpoint can say.</p>`
    : table(
        'Witnesses that cosigned the checkpoint',
        [{ label: 'Witness' }, { label: 'Key' }, { label: 'When (UTC)' }, { label: 'Signature' }],
        cosignatures.map((each) => [
          html`${each.name}`,
          html`<code>${each.id}</code>`,
          html`${each.time === undefined ? '–' : shortTime(new Date(each.time * 1_000).toISOString())}`,
          stateOf(each),
        ]),
      );

/** What shows that the log is what was written, and how to check it without this page. */
export const evidenceSection = (evidence: Evidence, folder: string): Html => {
  const { checkpoint, checkpointText, key, rotations, keyFrom, cosignatures, verification } = evidence;
  const at = shellWord(folder);
  const facts = html`<dl class="facts"><dt>Log's folder</dt><dd>${value(folder)}</dd>
<dt>Public key</dt><dd>${key === undefined ? html`<span class="soft">none</span>` : html`<code>${key.text}</code> <span class="soft">${keyFrom === 'given' ? 'given' : "from the log's folder"}</span>`}</dd>
${
  checkpoint &&
  html`<dt>Origin</dt><dd><code>${checkpoint.origin}</code></dd><dt>Checkpoint</dt><dd>${plural(checkpoint.size, 'entry', 'entries')}, root <code>${hex(checkpoint.root)}</code> <span class="soft">(SHA-256, RFC 6962)</span></dd>`
}
${rotations.length > 0 && html`<dt>Key rotated</dt><dd>by ${list(rotations.map((seq) => `entry ${seq}`))}, which the key before signed</dd>`}<dt>Result</dt><dd>${verification === undefined ? 'not verified' : verification.findings.length === 0 ? `${plural(verification.verified, 'entry', 'entries')} verified, nothing wrong` : `${plural(verification.findings.length, 'finding')}, see the top of the page`}</dd></dl>`;
  const howTo = html`<h3>Without this page</h3><p>The log is a transparency log: line <i>n</i> is leaf <i>n</i> − 1 of a Merkle tree (C2SP tlog-tiles, tlog-checkpoint, signed-note). On the log:</p>
<ul><li><code>shrike audit verify ${at}</code> checks all lines against the checkpoint</li><li><code>shrike audit prove ${at} --seq N</code> makes a proof of entry N, which <code>shrike audit check-proof</code> or any program that knows C2SP tlog-proof checks with the key alone</li></ul>`;
  return section(
    'evidence',
    'Chain of evidence',
    html`${facts}${checkpointText !== undefined && html`<h3>The checkpoint</h3><pre tabindex="0" aria-label="Checkpoint">${lines(checkpointText ?? '')}</pre>${cosignaturesHtml(cosignatures)}`}${checkpoint !== undefined && howTo}`,
    true,
  );
};
