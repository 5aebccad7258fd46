import { describe, expect, it } from 'vitest';
import { openOutboxReader, openOutboxWriter, outboxMemory } from '../../../../sensors/linux/drain/outbox.ts';
import { recordBytes } from '../../../../sensors/linux/drain/ring.ts';
import { count, seed } from '../../../support/counts.ts';
import { createRandom } from '../../../support/random.ts';

/** A record as it lies in a ring: header and bytes, padded to 8. */
const inRing = (bytes: Uint8Array): { readonly bytes: Uint8Array; readonly words: Uint32Array } => {
  const buffer = new ArrayBuffer(recordBytes(bytes.length));
  const words = new Uint32Array(buffer);
  words[0] = bytes.length;
  const whole = new Uint8Array(buffer);
  whole.set(bytes, 8);
  return { bytes: whole, words };
};

function outbox(size: number) {
  const memory = outboxMemory(size);
  const writer = openOutboxWriter(memory);
  const reader = openOutboxReader(memory);
  const put = (bytes: Uint8Array): boolean => {
    const record = inRing(bytes);
    const written = writer.write(record.bytes, record.words, 0, record.bytes.length);
    writer.publish();
    return written;
  };
  return { writer, reader, put };
}

const text = (word: string): Uint8Array => new TextEncoder().encode(word);

describe('the memory between the draining thread and its reader', () => {
  it('hands records over in the order in which they were put in, once', () => {
    const { reader, put } = outbox(1024);
    for (const word of ['one', 'two', 'three']) expect(put(text(word))).toBe(true);
    const got: string[] = [];
    const take = (record: Uint8Array) => void got.push(new TextDecoder().decode(record));
    expect([reader.read(take), reader.read(take)]).toEqual([3, 0]);
    expect(got).toEqual(['one', 'two', 'three']);
  });

  it('hands nothing over before it is published', () => {
    const { writer, reader } = outbox(1024);
    const record = inRing(text('one'));
    writer.write(record.bytes, record.words, 0, record.bytes.length);
    expect(reader.read(() => undefined)).toBe(0);
    writer.publish();
    expect(reader.read(() => undefined)).toBe(1);
  });

  it('neither loses nor repeats a record whose handling throws', () => {
    const { reader, put } = outbox(1024);
    for (const word of ['one', 'two', 'three']) put(text(word));
    const got: string[] = [];
    const take = (record: Uint8Array) => {
      got.push(new TextDecoder().decode(record));
      if (got.length === 2) throw new Error('no');
    };
    expect(() => reader.read(take)).toThrow('no');
    expect(reader.read(take)).toBe(1);
    expect(got).toEqual(['one', 'two', 'three']);
  });

  it('hands nothing over to a handler that reads while it is called', () => {
    const { reader, put } = outbox(1024);
    put(text('one'));
    put(text('two'));
    const nested: number[] = [];
    expect(reader.read(() => void nested.push(reader.read(() => undefined)))).toBe(2);
    expect(nested).toEqual([0, 0]);
  });

  it('takes nothing more when it is full, and again when it was read', () => {
    const { reader, put } = outbox(1024);
    let fitted = 0;
    while (put(new Uint8Array(100))) fitted++;
    expect(fitted).toBe(9);
    expect(reader.read(() => undefined)).toBe(9);
    expect(put(new Uint8Array(100))).toBe(true);
  });

  it('keeps every record whole, of whatever length, wherever it begins', () => {
    for (let i = 0; i < count(300); i++) {
      const random = createRandom(seed(`outbox ${i}`));
      const { reader, put } = outbox(4096);
      const waiting: Uint8Array[] = [];
      let handed = 0;
      for (let step = 0; step < 2_000; step++) {
        if (random.chance(0.8)) {
          const bytes = new Uint8Array(random.between(0, 500)).fill(random.below(256));
          if (put(bytes)) waiting.push(bytes);
          else expect(waiting.length).toBeGreaterThan(0);
        } else {
          reader.read((record) => {
            handed++;
            expect([...record]).toEqual([...(waiting.shift() as Uint8Array)]);
          });
          expect(waiting).toEqual([]);
        }
      }
      expect(handed).toBeGreaterThan(400);
    }
  });
});
