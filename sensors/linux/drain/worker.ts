import { setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';
import { createDrainer, type DrainTask } from './drainer.ts';
import { CONTROL } from './outbox.ts';

/** While records come, and after this many rounds without any. */
const [BUSY_MS, IDLE_MS] = [1, 4];
const IDLE_ROUNDS = 50;

/** Of this thread alone: it has little to do, but that soon. */
const NICE = -10;

const task: DrainTask = workerData;
const state = new Int32Array(task.outbox.control);
const drainer = createDrainer(task);
hurry();

/** Takes precedence over other threads, where that is allowed (CAP_SYS_NICE). */
function hurry(): void {
  try {
    setPriority(0, NICE);
  } catch {
    return;
  }
}

for (let idle = 0; Atomics.load(state, CONTROL.stop) === 0; ) {
  const wake = Atomics.load(state, CONTROL.wake);
  const before = Atomics.load(state, CONTROL.written);
  const more = drainer.step();
  idle = Atomics.load(state, CONTROL.written) === before ? idle + 1 : 0;
  if (!more) Atomics.wait(state, CONTROL.wake, wake, idle < IDLE_ROUNDS ? BUSY_MS : IDLE_MS);
}
