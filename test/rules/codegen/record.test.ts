import { describe, expect, it } from 'vitest';
import { decodeRecord, RecordError } from '../../../rules/index.ts';
import { LAYOUTS, record, recordBytes } from '../../sensors/events/record.ts';

const decode = (bytes: Uint8Array) => decodeRecord(bytes, LAYOUTS);

describe('a record', () => {
  it('that is too short for its head is refused', () => {
    expect(() => decode(new Uint8Array(279))).toThrow(
      new RecordError('a record of 279 bytes is shorter than its head of 280'),
    );
  });

  it('that is too short for its hook is refused', () => {
    const layouts = LAYOUTS.map((layout) => ({ ...layout, fixed: 288 }));
    expect(() => decodeRecord(recordBytes({}).subarray(0, 280), layouts)).toThrow(
      new RecordError('a record of 280 bytes where tp_btf/sys_exit writes at least 288'),
    );
  });

  it('ends behind the last of its strings, and is refused where it ends within one', () => {
    const bytes = recordBytes({ event: 'openat', strings: { file: { state: 'present', text: '/etc/shadow' } } });
    const end = 280 + 8 + '/etc/shadow'.length;
    const whole = decode(bytes.subarray(0, end));
    expect([whole.string('file')?.text, whole.string('path')]).toEqual(['/etc/shadow', undefined]);
    for (const length of [end - 1, 280 + 8, 280 + 7, 280 + 1])
      expect(() => decode(bytes.subarray(0, length))).toThrow(
        new RecordError(`a record of ${length} bytes that ends within its string "file" (tp_btf/sys_exit)`),
      );
    expect(decode(bytes.subarray(0, 280)).string('file')).toBeUndefined();
  });

  it.each([
    ['kind', 0, 9],
    ['hook', 2, 7],
  ])('of an unknown %s is refused', (_, at, value) => {
    const bytes = recordBytes({});
    bytes[at] = value;
    expect(() => decode(bytes)).toThrow(new RecordError('a record of an unknown kind or hook'));
  });

  it('of a number that no table has is an event of no type', () => {
    const bytes = recordBytes({});
    new DataView(bytes.buffer).setUint32(4, 511, true);
    expect(decode(bytes).event).toBeUndefined();
  });

  it('that is kept has its bytes when the ring buffer is written again', () => {
    const bytes = recordBytes({ event: 'openat', strings: { file: { state: 'present', text: '/a' } } });
    const decoded = decode(bytes).keep();
    bytes.fill(0);
    expect(decoded.string('file')?.text).toBe('/a');
  });

  it('has the event types of its own table', () => {
    expect(record({ event: 'open' })).toMatchObject({ abi: 'x86-64', event: { type: 'open' } });
    expect(record({ event: 'open', abi: 'ia32' })).toMatchObject({ abi: 'ia32', event: { type: 'open' } });
    expect(record({ event: 'open', abi: 'x32' })).toMatchObject({ abi: 'x32', event: { type: 'open' } });
    expect(record({ event: 'ptrace', abi: 'x32' })).toMatchObject({ abi: 'x32', event: { type: 'ptrace' } });
  });
});
