import { expect, it } from 'vitest';
import type { Position } from '../../../alerts/nats/position.ts';
import { type LastAlert, whereToGoOn } from '../../../alerts/nats/resume.ts';
import type { AlertStream } from '../../../alerts/nats/stream.ts';

const stream = (more: Partial<AlertStream> = {}): AlertStream => ({
  name: 'SHRIKE_ALERTS',
  created: 'monday',
  firstSeq: 1,
  lastSeq: 900,
  replicas: 1,
  isLevel: true,
  maxMessageBytes: undefined,
  problem: undefined,
  allowsDirect: true,
  deleted: [],
  ...more,
});
const place = (seq: number, streamSeq: number) => ({ seq, streamSeq, crc32c: '01234567' });
const position = (more: Partial<Position> = {}): Position => ({
  v: 1,
  stream: 'SHRIKE_ALERTS',
  created: 'monday',
  done: 500,
  recordedTo: 0,
  stored: place(500, 800),
  earlier: [place(100, 150), place(300, 400)],
  ...more,
});
const last = (seq: number | undefined, streamSeq: number): LastAlert => ({ seq, streamSeq });
const WENT_BACK = 'went back';
const ANOTHER = 'another stream';

it.each([
  ['a new log, a new stream', stream({ firstSeq: 0, lastSeq: 0 }), undefined, undefined, { after: 0 }],
  ['no position: the stream alone says it', stream(), last(77, 90), undefined, { after: 77 }],
  ['no position, and alerts of a log that is gone', stream(), last(undefined, 90), undefined, { after: 0 }],
  ['all is as it was', stream(), last(500, 800), position(), { after: 500 }],
  ['the stream has more than was saved', stream(), last(640, 890), position(), { after: 640 }],
  ['the last ones were too large', stream(), last(500, 800), position({ done: 503 }), { after: 503 }],
  ['all too large so far', stream(), undefined, position({ done: 3, stored: undefined, earlier: [] }), { after: 3 }],
  ['went back', stream({ lastSeq: 600 }), last(420, 600), position(), { after: 420, rewind: WENT_BACK }],
  [
    'went back, others came since',
    stream({ lastSeq: 950 }),
    last(420, 600),
    position(),
    { after: 420, rewind: WENT_BACK },
  ],
  [
    'went back to before the first',
    stream({ firstSeq: 0, lastSeq: 0 }),
    undefined,
    position(),
    { after: 0, rewind: WENT_BACK },
  ],
  [
    'went back to a time when all before 300 had been let go',
    stream({ firstSeq: 450, lastSeq: 460 }),
    undefined,
    position(),
    { after: 300, rewind: WENT_BACK },
  ],
  ['emptied by age or purged', stream({ firstSeq: 901, lastSeq: 900 }), undefined, position(), { after: 500 }],
  ['its last alert was deleted by hand', stream({ deleted: [800] }), last(480, 700), position(), { after: 500 }],
  ['purged, but for an older alert', stream({ deleted: [799, 800] }), last(300, 400), position(), { after: 500 }],
  [
    'made anew',
    stream({ created: 'friday', lastSeq: 0, firstSeq: 0 }),
    undefined,
    position(),
    { after: 0, rewind: ANOTHER },
  ],
  [
    'made anew and filled in part',
    stream({ created: 'friday' }),
    last(40, 40),
    position(),
    { after: 40, rewind: ANOTHER },
  ],
  ['another stream that has all', stream({ created: 'friday' }), last(500, 2), position(), { after: 500 }],
  ['another log publishes as this host', stream(), last(undefined, 850), position(), { after: 500 }],
])('%s', (_, now, found, known, expected) => {
  expect(whereToGoOn(now, found, known)).toEqual(expected);
});
