import { verify } from '../engine/verifier/index.ts';
import { bpfUnavailable, kernelBtf } from '../sensors/index.ts';
import { type CorpusProgram, objectCorpus, ruleCorpus } from './corpus.ts';
import { busyNanoseconds, type Measurement, median } from './harness.ts';

/** What the issue asks: at most twice the instructions that the kernel processes, each within a microsecond. */
const MOST_RATIO = 2;
const MOST_NANOSECONDS = 1000;

/** Rounds before the first that counts, until Node.js has compiled what it runs. */
const WARM_UP = 5;

const suite = 'verifier';
const rounded = (value: number): number => Number(value.toPrecision(4));

/** How many instructions our verifier explores, beside what the kernel's processes. */
const exploredOf = ({ name, instructions, context, processed }: CorpusProgram, compared: boolean): Measurement => {
  const { explored } = verify(instructions, context);
  const kernel = compared ? processed() : undefined;
  const ratio = kernel === undefined ? undefined : rounded(explored / kernel);
  return {
    suite,
    name: `explored: ${name}`,
    unit: 'instructions',
    median: explored,
    ...(kernel !== undefined && ratio !== undefined
      ? { baseline: kernel, ratio, target: { most: MOST_RATIO, of: 'ratio' }, met: ratio <= MOST_RATIO }
      : {}),
    samples: 1,
  };
};

/** Nanoseconds for each instruction explored, over all programs of a part of the corpus, or of the whole, which has a target. */
const speedOf = (name: string, programs: readonly CorpusProgram[], samples: number, whole = false): Measurement => {
  const total = programs.reduce((sum, { instructions, context }) => sum + verify(instructions, context).explored, 0);
  const values: number[] = [];
  for (let round = -WARM_UP; round < samples; round++) {
    const spent = busyNanoseconds(() => {
      for (const { instructions, context } of programs) verify(instructions, context);
    });
    if (round >= 0) values.push(spent / total);
  }
  const middle = rounded(median(values));
  return {
    suite,
    name: `time: ${name} (${programs.length} programs, ${total} instructions explored)`,
    unit: 'ns/instruction',
    median: middle,
    samples,
    ...(whole && { target: { most: MOST_NANOSECONDS, of: 'median' }, met: middle <= MOST_NANOSECONDS }),
  };
};

/** The verifier on the compiled rules and the C programs of the tests: what it explores beside the kernel's verifier, and how fast. */
export const verifier = (samples: number): Promise<readonly Measurement[]> => {
  const reason = bpfUnavailable();
  if (reason !== undefined) process.stderr.write(`bench: the kernel's verifier is not compared: ${reason}\n`);
  const btf = kernelBtf();
  const rules = ruleCorpus(btf);
  const objects = objectCorpus(btf);
  const explored = [...rules, ...objects].map((program) => exploredOf(program, reason === undefined));
  const speed = [
    speedOf('all', [...rules, ...objects], samples, true),
    speedOf('the compiled rules', rules, samples),
    speedOf('C objects', objects, samples),
  ];
  return Promise.resolve([...explored, ...speed]);
};
