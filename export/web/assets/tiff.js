// TIFF and GeoTIFF files by geotiff.js, as raw values of the model's bands.
const REDUCED = 1, MASK = 4; // of NewSubfileType
const SAMPLES_OF_ALPHA = [1, 2];

// As `openPicture`. `chosen`: bands of the file by number, where the model was trained on some.
async function openTiff(file, bands, chosen) {
  const tiff = await GeoTIFF.fromBlob(file).catch((error) => { throw damaged(file, error); });
  const pages = await pagesOf(tiff).catch((error) => { throw damaged(file, error); });
  const { image } = pages;
  const tag = (name) => image.fileDirectory.loadValue(name).catch(() => undefined);
  await refuseStrange(tag);
  const width = image.getWidth(), height = image.getHeight();
  const stored = image.getSamplesPerPixel();
  const alpha = await alphaBand(image, tag, bands, chosen);
  const colours = stored - (alpha === null ? 0 : 1);
  const convert = !chosen && { 1: 3, 3: 1 }[bands] === colours;
  if (chosen ? Math.max(...chosen) > stored : colours !== bands && !convert) {
    const wanted = chosen ? `at least ${Math.max(...chosen)} bands, of which the model takes ${chosen.join(", ")}`
      : `${bands} ${bands === 1 ? "band" : "bands"}, as the model was trained on`;
    throw new Error(`Expected ${wanted}; received ${colours}${alpha === null ? "" : " and alpha"} in ${file.name}.`);
  }
  const samples = chosen ? chosen.map((number) => number - 1) : [...Array(colours).keys()];
  const nodata = nodataTest(image, (await tag("SampleFormat"))?.[0] ?? 1);
  const source = { width, height, notes: new Set(), stretch: true, place: await placeOf(image, tag), close() {} };
  source.rows = async (top, count) => {
    const window = [0, top, width, top + count];
    const read = (from, wanted) => from.readRasters({ window, samples: [...wanted], interleave: true });
    try {
      const values = await read(image, samples);
      const hidden = alpha === null ? null : await read(image, [alpha]);
      const mask = pages.mask === null ? null : await read(pages.mask, [0]);
      return rawValues(values, samples.length, bands, nodata, (i) => hidden?.[i] === 0 || mask?.[i] === 0);
    } catch (error) { throw damaged(file, error); }
  };
  return source;
}

function damaged(file, error) {
  return new Error(`Expected a TIFF that geotiff.js reads; received ${file.name}: ${error.message ?? error}`);
}

// The one image of the file, and the mask that hides parts of it; overviews are left alone.
async function pagesOf(tiff) {
  const count = await tiff.getImageCount();
  const found = [], masks = [];
  for (let i = 0; i < count; i++) {
    const image = await tiff.getImage(i);
    const kind = (await image.fileDirectory.loadValue("NewSubfileType").catch(() => 0)) ?? 0;
    if (kind & REDUCED) continue;
    (kind & MASK ? masks : found).push(image);
  }
  if (found.length !== 1) throw new Error(`${found.length} pictures in one file`);
  return { image: found[0], mask: masks[0] ?? null };
}

// What would be read as other values than `iic-tf predict` reads.
async function refuseStrange(tag) {
  const photometric = (await tag("PhotometricInterpretation")) ?? 1;
  const compression = (await tag("Compression")) ?? 1;
  const orientation = (await tag("Orientation")) ?? 1;
  const kinds = { 3: "colours by a palette", 5: "inks (CMYK)", 6: "colours as YCbCr", 8: "colours as CIELab" };
  const strange = ![0, 1, 2].includes(photometric) ? kinds[photometric] ?? `photometric ${photometric}`
    : compression === 6 || compression === 7 ? "JPEG compression, which decoders round differently"
    : orientation !== 1 ? "rows and columns stored turned" : null;
  if (strange) {
    throw new Error(`Expected a TIFF of plain values; received one of ${strange}. Convert it: gdal_translate -expand rgb for a palette, else -co COMPRESS=DEFLATE.`);
  }
}

// The number of the band that is alpha, or null. Writers tag infrared so, too: an alpha has hardly
// others than 0 and its largest value, looked at in 9 windows.
async function alphaBand(image, tag, bands, chosen) {
  const extra = [...((await tag("ExtraSamples")) ?? [])];
  const stored = image.getSamplesPerPixel();
  const place = extra.findIndex((kind) => SAMPLES_OF_ALPHA.includes(kind));
  if (place < 0) return null;
  const band = stored - extra.length + place;
  if (chosen?.includes(band + 1)) return null;
  const high = Math.min(64, image.getHeight()), wide = Math.min(64, image.getWidth());
  const spread = (room) => [...new Set([0, Math.floor(room / 2), room])];
  const counts = new Map();
  for (const top of spread(image.getHeight() - high)) {
    for (const left of spread(image.getWidth() - wide)) {
      const window = [left, top, left + wide, top + high];
      for (const value of await image.readRasters({ window, samples: [band], interleave: true })) {
        if (value !== 0) counts.set(value, (counts.get(value) ?? 0) + 1);
      }
    }
  }
  const all = [...counts.values()].reduce((a, b) => a + b, 0);
  const most = counts.get([...counts.keys()].reduce((a, b) => Math.max(a, b), 0)) ?? 0;
  return !all || (all - most) / all <= 0.25 ? band : null;
}

// Whether a value is the file's "no data"; real numbers may be off by a few of the last bits.
function nodataTest(image, format) {
  const value = image.getGDALNoData();
  if (value === null || Number.isNaN(value)) return () => false;
  if (format !== 3) return (one) => one === value;
  const bits = image.getBitsPerSample(0);
  const most = bits === 64 ? Number.MAX_VALUE : 3.4028234663852886e38;
  const kept = Math.max(-most, Math.min(most, value));
  const room = Math.abs(kept) * (Math.abs(kept) > 0.999 * 3.4e38 ? 1e-5 : bits === 64 ? 8.9e-16 : 4.8e-7);
  return (one) => Math.abs(one - kept) <= room;
}

function rawValues(values, stored, bands, nodata, hidden) {
  const count = values.length / stored;
  const pixels = new Float32Array(count * bands);
  const whole = !(values instanceof Float32Array || values instanceof Float64Array);
  for (let i = 0, from = 0, to = 0; i < count; i++, from += stored, to += bands) {
    let none = hidden(i);
    if (!none) {
      none = true;
      for (let band = 0; band < stored && none; band++) none = nodata(values[from + band]);
    }
    for (let band = 0; band < bands; band++) {
      pixels[to + band] = none ? NaN : stored === bands ? values[from + band]
        : bands === 3 ? values[from] : grey(values, from, whole);
    }
  }
  return pixels;
}

function grey(values, at, whole) {
  const sum = 19595 * values[at] + 38470 * values[at + 1] + 7471 * values[at + 2];
  return whole ? Math.floor((sum + 32768) / 65536) : sum / 65536;
}

// Where the image lies, as tags to be handed on; null where it doesn't say.
async function placeOf(image, tag) {
  const keys = await tag("GeoKeyDirectory");
  const names = ["ModelPixelScale", "ModelTiepoint", "ModelTransformation", "GeoDoubleParams", "GeoAsciiParams"];
  const found = {};
  for (const name of names) {
    const value = await tag(name);
    if (value !== undefined && value !== null) found[name] = typeof value === "string" ? value : [...value];
  }
  if (!keys || !(found.ModelPixelScale || found.ModelTransformation)) return null;
  const told = image.getGeoKeys() ?? {};
  const metres = told.GTModelTypeGeoKey === 1 && (told.ProjLinearUnitsGeoKey ?? 9001) === 9001;
  return { ...found, keys: [...keys], pixel: metres ? Math.abs(image.getResolution()[0]) : null };
}
