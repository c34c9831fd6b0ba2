USE CATALOG default_catlog;
