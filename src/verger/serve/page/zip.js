// Files in a ZIP archive, uncompressed: photos are compressed already.

const DOS_1980 = 0x21; // the first of January: who opens it sees no date of ours

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

export function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

// files: [name, blob]; names of ASCII letters. Returns a blob.
export async function zip(files) {
  const parts = [];
  const listed = [];
  let at = 0;
  for (const [name, blob] of files) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const said = new TextEncoder().encode(name);
    const sums = [20, 0, 0, 0, DOS_1980].map((value) => [value, 2]).concat(
      [crc32(bytes), bytes.length, bytes.length].map((value) => [value, 4]), [[said.length, 2], [0, 2]]);
    const head = packed([[0x04034b50, 4], ...sums]);
    listed.push(packed([[0x02014b50, 4], [20, 2], ...sums, [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]]), said);
    parts.push(head, said, bytes);
    at += head.length + said.length + bytes.length;
  }
  const size = listed.reduce((sum, part) => sum + part.length, 0);
  const end = packed([[0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [at, 4], [0, 2]]);
  return new Blob([...parts, ...listed, end], { type: "application/zip" });
}

// Numbers of so many bytes each, the least first.
function packed(numbers) {
  const bytes = numbers.flatMap(([value, count]) => Array.from({ length: count }, (_, at) => (value >>> (8 * at)) & 255));
  return Uint8Array.from(bytes);
}
