import type { ElfObject } from '../../engine/object/index.ts';
import { type LinuxMap, loadElfLinux, openRingBuffer, possibleCpus, testRun } from '../../sensors/linux/index.ts';
import type { LoadedObject, RunInput } from './loaded-object.ts';
import { variableOf } from './objects.ts';

/** sizeof(struct __sk_buff): what is known of a packet after a run. */
const SKB_BYTES = 192;

/** Loads an object into the running kernel, where its programs are run by BPF_PROG_TEST_RUN only. @throws BpfError */
export function loadKernel(object: ElfObject): LoadedObject {
  const loaded = loadElfLinux(object);
  const mapOf = (name: string): LinuxMap => {
    const map = loaded.maps.get(name);
    if (!map) throw new Error(`there is no map ${name}`);
    return map;
  };
  const sectionOf = (name: string): string => object.programs.find((program) => program.name === name)?.hook ?? '';
  const found = (value: Uint8Array | number): Uint8Array | undefined => (typeof value === 'number' ? undefined : value);
  const variable = (name: string): Uint8Array => {
    const { map, offset, size } = variableOf(object, name);
    return found(mapOf(map).lookup(new Uint8Array(4)))!.slice(offset, offset + size);
  };
  return {
    place: 'running kernel',
    run(name, { context, packet }: RunInput = {}) {
      const { returnValue, contextOut, dataOut } = testRun(loaded.programs.get(name)!.fd, {
        ...(context && { contextIn: context }),
        ...(packet && { dataIn: packet, ...(!/^xdp/.test(sectionOf(name)) && { contextOutSize: SKB_BYTES }) }),
      });
      return { result: returnValue | 0, context: contextOut, packet: dataOut };
    },
    lookup: (map, key) => found(mapOf(map).lookup(key)),
    lookupPerCpu(name, key) {
      const map = mapOf(name);
      const values = found(map.lookup(key));
      const stride = map.valueBytes / possibleCpus();
      return (
        values &&
        Array.from({ length: possibleCpus() }, (_, cpu) =>
          values.slice(cpu * stride, cpu * stride + map.spec.valueSize),
        )
      );
    },
    update: (map, key, value) => mapOf(map).update(key, value),
    keys: (map) => [...mapOf(map).keys()],
    records(name) {
      const ring = openRingBuffer(mapOf(name));
      const records: Uint8Array[] = [];
      ring.consume((record) => records.push(record.slice()));
      ring.close();
      return records;
    },
    variable,
    number: (name) => variable(name).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
    close: () => loaded.close(),
  };
}
