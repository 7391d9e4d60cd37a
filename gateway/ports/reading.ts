/** A numeric array as it came (raw doors keep the sample type, so values stay bit-equal). */
export type NumericArray =
  | Float64Array
  | Float32Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** Integers of 64 bits, exact. For models only: windows, aggregates and conditions take numbers. */
export type WideArray = BigInt64Array | BigUint64Array;

/** Values that nobody here looks into, such as pictures; most readings hold one. */
export type OpaqueValues = readonly Uint8Array[];

/** One field of a reading. `null` stands for an optional field that was absent. */
export type FieldValue = number | string | boolean | null | NumericArray | WideArray | OpaqueValues;

/** Whether a field is a number or an array of numbers. */
export const isNumeric = (value: FieldValue): value is number | NumericArray =>
  typeof value === 'number' || isSamples(value);

/** Whether a field is an array of numbers. */
export const isSamples = (value: FieldValue | undefined): value is NumericArray =>
  ArrayBuffer.isView(value) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array);

/** Bits of {@link Reading.flags}. */
export const FLAG_TIME_UNSYNCED = 1;
/** The device's own time was absurd (far in the future); `time` was set to the arrival time. */
export const FLAG_TIME_REPLACED = 2;

/** Fields and values of one reading; `fields` is shared between readings of one shape. */
export interface ReadingValue {
  readonly fields: readonly string[];
  readonly values: readonly FieldValue[];
}

/** A decoded reading before the journal has given it its place. Times are milliseconds since the epoch. */
export interface NewReading {
  readonly device: string;
  /** Event time: the device's own where the stream maps one, else the arrival time. Fractions are kept. */
  readonly time: number;
  readonly flags: number;
  readonly value: ReadingValue;
}
