import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;

/** The REST protocol in front of a JDBC catalog, on loopback. Arguments: folder, port. */
class IcebergRest {
    public static void main(String[] arguments) throws Exception {
        Map<String, String> settings = new HashMap<>();
        settings.put("catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog");
        settings.put("uri", "jdbc:sqlite:" + arguments[0] + "/catalog.db");
        settings.put("jdbc.schema-version", "V1");
        settings.put("warehouse", "file://" + arguments[0] + "/warehouse");
        Catalog catalog = CatalogUtil.buildIcebergCatalog("rest", settings, new Configuration());
        ServletContextHandler handler = new ServletContextHandler();
        handler.addServlet(new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");
        Server server = new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[1])));
        server.setHandler(handler);
        server.start();
        server.join();
    }
}
