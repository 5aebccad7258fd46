import { type Profiler, Session } from 'node:inspector/promises';

/** What an event's way from its decoded call to its alerts is made of. */
export const STAGES = ['state', 'programs', 'decode', 'residual', 'alert', 'garbage collection'] as const;
export type Stage = (typeof STAGES)[number];

/** Microseconds between two looks at what runs. */
const INTERVAL = 500;

/** Which functions make a stage, by their built files; the first that is on the stack counts. */
const FILES: readonly (readonly [Stage, RegExp])[] = [
  ['programs', /\/sensors\/sim\/kernel\/engine\.js$/],
  ['alert', /\/alerts\//],
  ['residual', /\/rules\/plan\/residual\.js$/],
  ['decode', /\/agent\/|\/rules\/codegen\/record\.js$/],
  ['state', /\/sensors\/(?:sim|replay)\//],
];

const stageOf = (frames: readonly Profiler.ProfileNode[]): Stage | undefined => {
  if (frames[0]?.callFrame.functionName === '(garbage collector)') return 'garbage collection';
  return FILES.find(([, file]) => frames.some(({ callFrame }) => file.test(callFrame.url)))?.[0];
};

const sharesOf = ({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ReadonlyMap<Stage, number> => {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const framesOf = (id: number): Profiler.ProfileNode[] => {
    const frames: Profiler.ProfileNode[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const node = byId.get(at);
      if (node !== undefined) frames.push(node);
    }
    return frames;
  };
  const stages = new Map(nodes.map(({ id }) => [id, stageOf(framesOf(id))]));
  const times = new Map<Stage, number>(STAGES.map((stage) => [stage, 0]));
  let all = 0;
  for (const [index, id] of samples.entries()) {
    const stage = stages.get(id);
    const time = timeDeltas[index] ?? 0;
    if (stage === undefined) continue;
    times.set(stage, (times.get(stage) ?? 0) + time);
    all += time;
  }
  return new Map([...times].map(([stage, time]) => [stage, (100 * time) / all]));
};

/** Looks at what takes the time of `run`. */
export type Profiled = <Result>(run: () => Promise<Result>) => Promise<Result>;

/** Says what share of this thread's time each stage takes in the part of `work` that it has profiled, in percent; what belongs to none is left out. */
export const stagesOf = async (work: (profiled: Profiled) => Promise<unknown>): Promise<ReadonlyMap<Stage, number>> => {
  const session = new Session();
  session.connect();
  let profile: Profiler.Profile = { nodes: [], startTime: 0, endTime: 0 };
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
    await work(async (run) => {
      await session.post('Profiler.start');
      try {
        return await run();
      } finally {
        ({ profile } = await session.post('Profiler.stop'));
      }
    });
    return sharesOf(profile);
  } finally {
    session.disconnect();
  }
};
