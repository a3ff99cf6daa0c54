DROP TABLE ranking_sections;
