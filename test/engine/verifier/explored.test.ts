import { describe, expect, test } from 'vitest';
import { type CorpusProgram, objectCorpus, ruleCorpus } from '../../../bench/corpus.ts';
import { verify } from '../../../engine/verifier/index.ts';
import { kernelBtf } from '../../../sensors/index.ts';
import { clangSkip } from '../../support/clang.ts';
import { inLargerSizes } from '../../support/counts.ts';
import { kernelSkip } from '../../support/kernel.ts';

/** The most that is explored for each instruction that the kernel processes. */
const MOST = 2;

/** Programs that the running kernel loads, with what it processed and what is explored here. */
const compared = (programs: readonly CorpusProgram[]) =>
  programs.flatMap(({ name, instructions, context, processed }) => {
    const kernel = processed();
    return kernel === undefined ? [] : [{ name, kernel, explored: verify(instructions, context).explored }];
  });

const tooMany = (rows: ReturnType<typeof compared>) => rows.filter(({ kernel, explored }) => explored > MOST * kernel);

describe.skipIf(kernelSkip())('at most twice the instructions are explored that the kernel processes', () => {
  test('of the compiled rules', () => {
    const rows = compared(ruleCorpus(kernelBtf()));
    expect(rows.length).toBeGreaterThanOrEqual(4);
    expect(tooMany(rows)).toEqual([]);
  });

  test.skipIf(clangSkip())('of the C programs', (context) => {
    inLargerSizes(context);
    const rows = compared(objectCorpus(kernelBtf()));
    expect(rows.length).toBeGreaterThanOrEqual(40);
    expect(tooMany(rows)).toEqual([]);
  });
});
