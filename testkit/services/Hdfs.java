import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/** A small HDFS on loopback. Arguments: folder, port of the name node. Makes the file "ready" when it answers. */
class Hdfs {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Configuration settings = new Configuration();
        settings.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("dfs").toString());
        settings.setBoolean("dfs.permissions.enabled", false);
        settings.setInt("dfs.replication", 1);
        settings.setLong("dfs.blocksize", 16L * 1024 * 1024);
        MiniDFSCluster cluster =
            new MiniDFSCluster.Builder(settings).nameNodePort(Integer.parseInt(arguments[1])).numDataNodes(1).build();
        cluster.waitActive();
        Files.createFile(folder.resolve("ready"));
        Thread.currentThread().join();
    }
}
