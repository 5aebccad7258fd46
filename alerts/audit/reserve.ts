import type { Disk } from './disk.ts';
import { isFull } from './remedy.ts';

/** The file whose blocks are given back when the disk is full. */
export const RESERVE_FILE = 'reserve';

/** Room on a disk that a log has kept for itself. */
export interface Reserve {
  /** Whether it is there to be released. */
  readonly isHeld: boolean;
  /** Gives its room back; false where it had none. */
  release(): Promise<boolean>;
  /** Makes it where there is twice the room that it takes; whether it is there then. Fails where the disk refuses for another reason than room. */
  make(): Promise<boolean>;
}

/** @param bytes of the reserve; 0: none is kept */
export const createReserve = (disk: Disk, bytes: number): Reserve => {
  let isHeld = false;
  let busy: Promise<unknown> = Promise.resolve();
  const inTurn = <Result>(act: () => Promise<Result>): Promise<Result> => {
    const result = busy.then(act);
    busy = result.catch(() => undefined);
    return result;
  };
  const make = async (): Promise<boolean> => {
    if (isHeld || bytes === 0) return isHeld;
    if ((await disk.room()) < 2 * bytes) return false;
    try {
      await disk.remove(RESERVE_FILE);
      await disk.allocate(RESERVE_FILE, bytes);
    } catch (error) {
      if (isFull(error)) return false;
      throw error;
    }
    isHeld = true;
    return true;
  };
  const release = async (): Promise<boolean> => {
    if (!isHeld) return false;
    await disk.remove(RESERVE_FILE);
    isHeld = false;
    return true;
  };
  return {
    get isHeld() {
      return isHeld;
    },
    make: () => inTurn(make),
    release: () => inTurn(release),
  };
};
