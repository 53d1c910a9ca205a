import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.*;
import org.apache.hadoop.io.compress.*;
import org.apache.hadoop.util.ReflectionUtils;

/** Writes sequence files of each kind into the folder that is named. */
public final class SequenceFiles {
    private static final Configuration conf = new Configuration();
    private static String folder;

    interface Maker { Writable make(int i); }

    private static void write(String name, SequenceFile.CompressionType type, CompressionCodec codec, int count,
                              Maker key, Maker value) throws Exception {
        SequenceFile.Metadata meta = new SequenceFile.Metadata();
        meta.set(new Text("made by"), new Text("a test"));
        try (SequenceFile.Writer w = SequenceFile.createWriter(conf, SequenceFile.Writer.file(new Path(folder, name)),
                SequenceFile.Writer.keyClass(key.make(0).getClass()), SequenceFile.Writer.valueClass(value.make(0).getClass()),
                SequenceFile.Writer.compression(type, codec), SequenceFile.Writer.metadata(meta))) {
            for (int i = 0; i < count; i++) {
                w.append(key.make(i), value.make(i));
                if (i % 100 == 99)
                    w.sync();
            }
        }
    }

    private static <T extends CompressionCodec> CompressionCodec codec(Class<T> c) {
        return ReflectionUtils.newInstance(c, conf);
    }

    public static void main(String[] args) throws Exception {
        folder = args[0];
        int count = Integer.parseInt(args[1]);
        conf.set("fs.defaultFS", "file:///");
        Random random = new Random(7);
        byte[] noise = new byte[300];
        random.nextBytes(noise);
        Maker text = i -> new Text(i % 50 == 7 ? "" : "value \u00fc \ud83d\ude00 " + "x".repeat(i % 200) + i);
        Maker number = i -> new IntWritable(i * 7919 - 1000);
        CompressionCodec[] codecs = {codec(DefaultCodec.class), codec(DeflateCodec.class), codec(BZip2Codec.class)};
        write("plain", SequenceFile.CompressionType.NONE, null, count, number, text);
        for (CompressionCodec c : codecs) {
            String kind = c.getClass().getSimpleName();
            write("record." + kind, SequenceFile.CompressionType.RECORD, c, Math.min(count, 40), number, text);
            write("block." + kind, SequenceFile.CompressionType.BLOCK, c, count, text, number);
        }
        CompressionCodec zip = codecs[0];
        write("long", SequenceFile.CompressionType.NONE, null, count, i -> new LongWritable(random.nextLong() >> (i % 64)),
              i -> new BytesWritable(noise, i % 290));
        write("vint", SequenceFile.CompressionType.BLOCK, zip, count, i -> new VIntWritable(random.nextInt() >> (i % 32)),
              i -> new VLongWritable(random.nextLong() >> (i % 64)));
        write("null", SequenceFile.CompressionType.BLOCK, zip, count, i -> NullWritable.get(), text);
        write("null.record", SequenceFile.CompressionType.RECORD, zip, count, text, i -> NullWritable.get());
        write("boolean", SequenceFile.CompressionType.RECORD, zip, count, i -> new BooleanWritable(i % 3 == 0),
              i -> new ByteWritable((byte) i));
        write("short", SequenceFile.CompressionType.NONE, null, count, i -> new ShortWritable((short) (i * 4001)),
              i -> MD5Hash.digest(Integer.toString(i)));
        double[] reals = {0, -0.0, 1, -1, 0.1, 0.001, 0.00099, 1e7, 9999999, 12345678, 123.456, 1e-10, 1e100, 0.5, 100, 1.0 / 3,
            Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, Double.MAX_VALUE, 2.5e-5, 1000000, 0.0123};
        write("real", SequenceFile.CompressionType.BLOCK, zip, reals.length, i -> new DoubleWritable(reals[i]),
              i -> new FloatWritable((float) reals[i]));
        write("empty", SequenceFile.CompressionType.BLOCK, zip, 0, number, text);
        write("empty.plain", SequenceFile.CompressionType.NONE, null, 0, number, text);
        write("malformed", SequenceFile.CompressionType.NONE, null, 12, number, i -> {
            Text t = new Text();
            byte[][] bad = {{(byte) 0xff}, {'a', (byte) 0xc3}, {(byte) 0xed, (byte) 0xa0, (byte) 0x80}, {(byte) 0xe2, (byte) 0x82, 'b'},
                {(byte) 0xf0, (byte) 0x9f, (byte) 0x98}, {(byte) 0xc0, (byte) 0x80}, {0, 'n'}, {(byte) 0xf4, (byte) 0x90, (byte) 0x80, (byte) 0x80},
                {(byte) 0x80, (byte) 0x80}, {(byte) 0xe0, (byte) 0x80, (byte) 0x80}, {'o', 'k'}, {(byte) 0xfe, 'x'}};
            t.set(bad[i], 0, bad[i].length);
            return t;
        });
        write("unknown", SequenceFile.CompressionType.NONE, null, 3, number, i -> new MapWritable());
    }
}
