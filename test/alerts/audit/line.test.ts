import fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32c } from '../../../alerts/audit/crc32c.ts';
import { AUDIT_KINDS, type AuditRecord, createLineSpace, decodeLine, entryOf } from '../../../alerts/audit/line.ts';
import { count, seed } from '../../support/counts.ts';

const RECORD = {
  v: 1,
  seq: 7,
  time: '2026-01-02T03:04:05.678900000Z',
  kind: 'alert',
  body: { rule: 'Größe', n: 1 },
} as const;
/** So small that a few lines fill it. */
const space = createLineSpace(1000);
const encodeLine = (record: AuditRecord) => {
  const line = space.write(record);
  return { bytes: line.bytes, entry: entryOf(record, line) };
};
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (line: string) => new TextEncoder().encode(line);

it('writes one JSON object with its checksum last', () => {
  const line = text(encodeLine(RECORD).bytes);
  expect(line).toMatch(
    /^\{"v":1,"seq":7,"time":"2026-01-02T03:04:05\.678900000Z","kind":"alert","body":\{"rule":"Größe","n":1\},"crc32c":"[0-9a-f]{8}"\}$/,
  );
  expect(JSON.parse(line)).toEqual({ ...RECORD, crc32c: line.slice(-10, -2) });
});

it('reads back what it wrote', () => {
  const record = fc.record({
    seq: fc.integer({ min: 1, max: 2 ** 50 }),
    kind: fc.constantFrom(...AUDIT_KINDS),
    body: fc.jsonValue(),
  });
  fc.assert(
    fc.property(record, ({ seq, kind, body }) => {
      const written = encodeLine({ ...RECORD, seq, kind, body });
      const read = decodeLine(written.bytes);
      const bodyText = JSON.stringify(body);
      const expected = { ...RECORD, seq, kind, body: JSON.parse(bodyText), bodyText, crc32c: written.entry.crc32c };
      expect(read).toEqual({ ok: true, entry: expected });
    }),
    { numRuns: count(20_000), seed: seed('audit line') },
  );
});

it('lies in front of its newline and of the next, also where one needs more room than the others', () => {
  const bodies = ['a', 'ä'.repeat(300), { rule: '\u{1f980}' }, 'x'.repeat(5000), [], 'b'];
  const lines = bodies.map((body, index) => encodeLine({ ...RECORD, seq: index + 1, body }).bytes);
  for (const [index, { buffer, byteOffset, length }] of lines.entries()) {
    const decoded = decodeLine(new Uint8Array(buffer, byteOffset, length));
    expect(decoded).toMatchObject({ ok: true, entry: { seq: index + 1, body: bodies[index] } });
    expect(new Uint8Array(buffer, byteOffset + length, 1)).toEqual(Uint8Array.of(0x0a));
  }
});

it('notices every single flipped bit', () => {
  const line = encodeLine(RECORD).bytes;
  for (let bit = 0; bit < line.length * 8; bit++) {
    const flipped = line.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(decodeLine(flipped).ok, `bit ${bit}`).toBe(false);
  }
});

const seal = (covered: string): Uint8Array =>
  bytes(`${covered},"crc32c":"${crc32c(bytes(covered)).toString(16).padStart(8, '0')}"}`);

it('says at which byte a line is wrong', () => {
  const line = text(encodeLine(RECORD).bytes);
  const changed = bytes(line.replace('"n":1', '"n":2'));
  const actual = crc32c(changed.subarray(0, -21)).toString(16).padStart(8, '0');
  expect(decodeLine(changed)).toEqual({
    ok: false,
    byte: changed.length - 21,
    problem: `the checksum is ${line.slice(-10, -2)}, but the line's bytes give ${actual}`,
  });
});

it.each([
  ['', 0, 'expected ,"crc32c":"<8 hex digits>"} at the end of the line'],
  ['{"v":2', 0, 'expected {"v":1,"seq":<number>,"time":"<ISO 8601, nanoseconds>","kind":"<kind>"'],
  [
    '{"v":1,"seq":1,"time":"2026-01-02T03:04:05.678900000Z","kind":"rumour","body":1',
    0,
    'the kind rumour is unknown; there are alert, enforcement, policy, start, stop, shed, loss',
  ],
])('refuses %j with a right checksum', (covered, byte, problem) => {
  expect(decodeLine(covered === '' ? bytes('') : seal(covered))).toEqual({ ok: false, byte, problem });
});

it('refuses a body that is not JSON', () => {
  const header = '{"v":1,"seq":1,"time":"2026-01-02T03:04:05.678900000Z","kind":"alert","body":';
  const decoded = decodeLine(seal(`${header}{`));
  expect(decoded).toMatchObject({
    ok: false,
    byte: header.length,
    problem: expect.stringMatching(/^the body is not JSON: /),
  });
});
